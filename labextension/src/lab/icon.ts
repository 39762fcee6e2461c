/** The drawing of a sandbox, in the colour of JupyterLab's other icons. */

import { LabIcon } from '@jupyterlab/ui-components';

const SANDBOX = `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 24 24">
  <path class="jp-icon3 jp-icon-selectable" fill="#616161" fill-rule="evenodd"
    d="M12 2 3 6.6v10.8L12 22l9-4.6V6.6zm0 2.25L18 7.3l-6 3.05L6 7.3zM5 9.05l6 3.05v6.85l-6-3.07zm14 0v6.83l-6 3.07V12.1z"/>
</svg>`;

export const sandboxIcon = new LabIcon({ name: 'orkee:sandbox', svgstr: SANDBOX });
