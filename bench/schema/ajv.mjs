// Prints the microseconds ajv takes for one validation of the parsed instance: node ajv.mjs AJV SCHEMA INSTANCE
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [ajvFolder, schemaFile, instanceFile] = process.argv.slice(2);
const Ajv = createRequire(ajvFolder + "/")("ajv/dist/2020").default;
const validate = new Ajv().compile(JSON.parse(readFileSync(schemaFile, "utf8")));
const instance = JSON.parse(readFileSync(instanceFile, "utf8"));
const run = (milliseconds) => {
  const start = process.hrtime.bigint();
  let calls = 0;
  while (process.hrtime.bigint() - start < BigInt(milliseconds) * 1000000n) {
    for (let i = 0; i < 100; i++) if (!validate(instance)) throw new Error("invalid");
    calls += 100;
  }
  return Number(process.hrtime.bigint() - start) / 1000 / calls;
};
run(500);
console.log(run(1000));
