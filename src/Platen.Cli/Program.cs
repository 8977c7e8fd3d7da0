using Platen.Cli;

using var interrupt = new Interrupt();
return await PlatenCommandLine.RunAsync(args, Terminal.OfProcess(), interrupt.Token);
