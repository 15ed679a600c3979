// node validate.mjs file.glb …  prints one JSON object: path → number of errors, warnings, infos, hints and the messages.
import { readFileSync } from "node:fs";
import validator from "gltf-validator";

const reports = {};
for (const path of process.argv.slice(2)) {
  const report = await validator.validateBytes(new Uint8Array(readFileSync(path)), { maxIssues: 100 });
  const { numErrors, numWarnings, numInfos, numHints, messages } = report.issues;
  reports[path] = { numErrors, numWarnings, numInfos, numHints, messages };
}
console.log(JSON.stringify(reports));
