// What `redocly lint` has to say of a document, in its recommended rules: a list, as JSON.

import { readFile } from "node:fs/promises";

import { createConfig, lintFromString } from "@redocly/openapi-core";

const source = await readFile(process.argv[2], "utf8");
const config = await createConfig({ extends: ["recommended"] });
const problems = await lintFromString({ source, absoluteRef: "/openapi.json", config });
console.log(JSON.stringify(problems.map((one) => `${one.ruleId}: ${one.message} (${one.location[0]?.pointer})`)));
