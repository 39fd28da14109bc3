// Bundles every script that is compared, each from the entry of its name.
//   node build.js FOLDER
import { buildSync } from 'esbuild';
import { readdirSync } from 'node:fs';

for (const file of readdirSync('entries')) {
  if (file === 'lux-settings.js') continue;
  buildSync({
    entryPoints: [`entries/${file}`], outfile: `${process.argv[2]}/${file}`, bundle: true, minify: true,
    format: 'iife', target: 'es2020', platform: 'browser', legalComments: 'none', logLevel: 'error',
    define: { 'process.env.NODE_ENV': '"production"' },
  });
}
