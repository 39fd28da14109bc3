/** Entry of `beacon.js`. */

import { start } from './core.js';
import { run } from './script.js';

run(start);
