// Bundles src/ into dist/, with the licences of what it takes from others: `npm ci && npm run build`.
// In: src/main.js, node_modules. Out: dist/timeline.js, dist/timeline.css, the same for the same lock file.

import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const outdir = process.argv[2] ?? join(here, "dist");
const options = {
  absWorkingDir: here,
  entryPoints: { timeline: "src/main.js" },
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  charset: "utf8",
  metafile: true,
  outdir,
};

// The packages that are part of the bundle, in order of their names.
function packagesOf(inputs) {
  const names = Object.keys(inputs).map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]);
  return [...new Set(names.filter((name) => name))].sort();
}

function licenceOf(name) {
  const folder = join(here, "node_modules", name);
  const { version } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = ["LICENSE", "LICENSE.md", "LICENSE.txt"].map((each) => join(folder, each)).find(existsSync);
  if (!file) throw new Error(`${name} has no licence text`);
  return `${name} ${version}\n\n${readFileSync(file, "utf8").trim()}`;
}

const { metafile } = await build({ ...options, write: false });
const licences = packagesOf(metafile.inputs).map(licenceOf).join("\n\n---\n\n");
await build({ ...options, footer: { js: `/*! This bundle contains:\n\n${licences}\n*/` } });
