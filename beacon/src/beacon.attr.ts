/** Entry of `beacon.attr.js`. */

import { start } from './attributed.js';
import { run } from './script.js';

run(start);
