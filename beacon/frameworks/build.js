// Bundles each application as a project would.
//   node build.js FOLDER
import { buildSync } from 'esbuild';

for (const [name, entry] of [['react', 'react/app.jsx'], ['vue', 'vue/app.js']]) {
  buildSync({
    entryPoints: [entry], outfile: `${process.argv[2]}/${name}.js`, bundle: true, minify: true, format: 'iife',
    target: 'es2022', platform: 'browser', legalComments: 'none', logLevel: 'error',
    define: { 'process.env.NODE_ENV': '"production"', __VUE_OPTIONS_API__: 'true', __VUE_PROD_DEVTOOLS__: 'false' },
  });
}
