/** Which addresses from the server the UI will open: what a sandbox says is not trusted. */

import type { PortMapping } from './api';
import type { Host } from './host';

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

/** Returns an http(s) address on the loopback in its normal form; null for anything else. */
export function loopbackUrl(address: string): string | null {
  let url: URL;
  try {
    url = new URL(address);
  } catch {
    return null;
  }
  const isWeb = url.protocol === 'http:' || url.protocol === 'https:';
  return isWeb && LOOPBACK.test(url.hostname) && !url.username && !url.password ? url.href : null;
}

/** Whether the page itself was loaded from this machine. */
export function isLocal(host: Host): boolean {
  return LOOPBACK.test(host.hostname);
}

/**
 * Returns the address of a port for somebody in front of this page; null where there is none.
 *
 * A direct link never has the name that the page has: cookies ignore ports, and the
 * program in the sandbox would be sent the login of the notebook server.
 */
export function directUrl(mapping: PortMapping, host: Host): string | null {
  const safe = loopbackUrl(mapping.url);
  if (safe === null || !(isLocal(host) || host.serverUrl === undefined)) {
    return null;
  }
  const url = new URL(safe);
  url.hostname = host.hostname === '127.0.0.1' ? 'localhost' : '127.0.0.1';
  return url.href;
}

/**
 * Returns the address of a link that the server made for a port; null unless it is a path of its
 * own proxy and the page can reach it.
 */
export function linkUrl(path: unknown, host: Host): string | null {
  if (typeof path !== 'string' || host.serverUrl === undefined) {
    return null;
  }
  const isOurs = /^\/(?![/\\])/.test(path) && /\/orkee\//.test(path) && !/[\s\\]/.test(path);
  const url = isOurs ? host.serverUrl(path) : '';
  return /^https?:\/\//.test(url) ? url : null;
}
