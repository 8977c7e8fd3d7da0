await Console.Out.WriteLineAsync("platen");
