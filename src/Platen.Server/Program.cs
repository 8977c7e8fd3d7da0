using Platen.Server;

return await ServerProcess.RunAsync(args);
