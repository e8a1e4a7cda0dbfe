// Makes a component of `app.js`: node build.mjs TOOLCHAIN WIT OUTPUT
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [toolchain, witPath, output] = process.argv.slice(2);
const library = join(toolchain, 'node_modules/@bytecodealliance/componentize-js/src/componentize.js');
const { componentize } = await import(pathToFileURL(library));
const { component } = await componentize({ sourcePath: 'app.js', witPath, worldName: 'guest' });
writeFileSync(output, component);
