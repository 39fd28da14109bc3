// The package is CommonJS; bundled for a module, its default export would be the whole of it.
import * as whole from './node_modules/react-custom-scrollbars-2/lib/index.js';

export const Scrollbars = whole.Scrollbars ?? whole.default.Scrollbars;
export default Scrollbars;
