/** The ports of a sandbox as links: straight to the host's port, or through the server. */

import type { PortMapping, Sandbox } from './api';
import { usePage } from './core';
import { directUrl } from './links';

export function Ports({ sandbox }: { sandbox: Sandbox }) {
  return (
    <>
      {sandbox.port_map.map((mapping) => (
        <PortLink key={mapping.port} sandbox={sandbox} mapping={mapping} />
      ))}
    </>
  );
}

function PortLink({ sandbox, mapping }: { sandbox: Sandbox; mapping: PortMapping }) {
  const { host, actions } = usePage();
  const { t } = host;
  const direct = directUrl(mapping, host);
  const said = mapping.listening
    ? t('Open the page of port %1', mapping.port)
    : t('Open the page of port %1; nothing listens on it yet', mapping.port);
  const look = `orkee-port ${mapping.listening ? '' : 'orkee-port-silent'}`;
  if (direct !== null) {
    return (
      <a class={look} href={direct} target="_blank" rel="noopener noreferrer" title={said} aria-label={said}>
        :{mapping.port}
      </a>
    );
  }
  if (host.serverUrl === undefined) {
    return <span class="orkee-dim">:{mapping.port}</span>;
  }
  return (
    <button
      type="button"
      class={look}
      title={said}
      aria-label={said}
      onClick={() => void actions.openPort(sandbox, mapping)}
    >
      :{mapping.port}
    </button>
  );
}

/** Opens a port as its link would. */
export function openPage(page: ReturnType<typeof usePage>, sandbox: Sandbox, mapping: PortMapping): void {
  const direct = directUrl(mapping, page.host);
  if (direct !== null) {
    page.host.open(direct);
  } else {
    void page.actions.openPort(sandbox, mapping);
  }
}
