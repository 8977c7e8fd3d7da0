// What the CSP evaluator finds in a policy: reads the policy from the named file, else from standard input, and prints its findings as JSON, the gravest first.
// Severities: 10 high, 20 syntax, 30 medium, 40 may be high, 45 strict-csp, 50 may be medium, 60 information, 100 none.
import { readFileSync } from 'node:fs';
import evaluator from 'csp_evaluator/dist/evaluator.js';
import parser from 'csp_evaluator/dist/parser.js';

const policy = new parser.CspParser(readFileSync(process.argv[2] ?? 0, 'utf8').trim()).csp;
const findings = new evaluator.CspEvaluator(policy).evaluate();
findings.sort((one, other) => one.severity - other.severity);
console.log(JSON.stringify(findings.map(({ directive, value, description, severity }) => ({ directive, value, description, severity }))));
