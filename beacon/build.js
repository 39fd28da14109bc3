// Bundles the beacon: scripts and modules, core and with attribution. The same bytes each time.
//   node build.js [FOLDER]     FOLDER: where the files go; default: dist
import { buildSync } from 'esbuild';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync } from 'node:zlib';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const OUT = resolve(process.argv[2] || `${HERE}/dist`);
const FILES = [
  ['beacon.js', 'beacon.ts', 'iife'],
  ['beacon.attr.js', 'beacon.attr.ts', 'iife'],
  ['beacon.mjs', 'core.ts', 'esm'],
  ['beacon.attr.mjs', 'attributed.ts', 'esm'],
];
// web-vitals asks for it to be told; esbuild keeps only comments that ask to be kept.
const NOTICE = '/* Plimsoll and web-vitals, Apache-2.0 */';

for (const [file, entry, format] of FILES) {
  buildSync({
    // Relative to this file, so that the folder it is built in leaves no trace.
    absWorkingDir: HERE,
    entryPoints: [`src/${entry}`],
    outfile: `${OUT}/${file}`,
    bundle: true,
    minify: true,
    format,
    target: 'es2022',
    platform: 'browser',
    charset: 'ascii',
    legalComments: 'none',
    banner: { js: NOTICE },
    define: { ATTRIBUTED: String(file.includes('attr')) },
    logLevel: 'error',
  });
  // Packed once, as small as it gets; Plimsoll itself need not be able to.
  writeFileSync(`${OUT}/${file}.br`, brotliCompressSync(readFileSync(`${OUT}/${file}`)));
}

// What `plimsoll beacon package` hands out: a package without dependencies.
const { name, version, description, license, type, sideEffects, exports } = JSON.parse(readFileSync(`${HERE}/package.json`, 'utf8'));
const published = { name, version, description, license, type, sideEffects, exports };
writeFileSync(`${OUT}/package.json`, `${JSON.stringify(published, null, 2)}\n`);
copyFileSync(`${HERE}/beacon.d.ts`, `${OUT}/beacon.d.ts`);
