/** What JupyterLab and Notebook 7 load of this extension. */

import { commands } from './commands';
import { launcher } from './launcher';
import { main } from './plugin';
import { running } from './running';
import { status } from './status';

export { IOrkee } from './tokens';

export default [main, commands, launcher, running, status];
