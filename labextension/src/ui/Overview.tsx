/** What one sandbox is and uses. */

import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';

import type { Sandbox } from './api';
import { usePage } from './core';
import { Elapsed } from './Header';
import { Button } from './parts/Button';
import { bytes, clockTime, duration, percent, span } from './parts/format';
import { Progress } from './parts/Progress';
import { Ports } from './Ports';
import { Line } from './Usage';
import { tracked } from './signals';

export function Overview({ sandbox }: { sandbox: Sandbox }) {
  const { host } = usePage();
  const { t } = host;
  const { limits } = sandbox;
  const isActive = sandbox.status === 'active';
  const limited = [
    limits.memory === null ? null : t('%1 of memory', bytes(limits.memory)),
    limits.cpus === null ? null : t('%1 processors', limits.cpus),
    limits.pids === null ? null : t('%1 processes', limits.pids)
  ].filter((each) => each !== null);
  return (
    <>
      {sandbox.status === 'creating' && (
        <Progress>
          {sandbox.step ?? t('Creating…')} <Elapsed since={sandbox.created_at} />
        </Progress>
      )}
      <dl class="orkee-facts-list">
        {isActive && <Figures sandbox={sandbox} />}
        {isActive && sandbox.port_map.length > 0 && (
          <Fact name={t('Ports')}>
            <Ports sandbox={sandbox} />
          </Fact>
        )}
        {isActive && <Left sandbox={sandbox} />}
        {sandbox.reason !== null && <Fact name={t('Reason')}>{sandbox.reason}</Fact>}
        {sandbox.exit_code !== null && <Fact name={t('Exit code')}>{sandbox.exit_code}</Fact>}
        <Fact name={t('Created')}>{clockTime(sandbox.created_at)}</Fact>
        <Fact name={t('Template')}>{sandbox.template}</Fact>
        <Fact name={t('Image')}>
          <code>{sandbox.image}</code>
        </Fact>
        <Fact name={t('Command')}>
          {sandbox.command === null ? (
            <span class="orkee-dim">{t('none: it waits for yours')}</span>
          ) : (
            <code>{sandbox.command.join(' ')}</code>
          )}
        </Fact>
        <Fact name={t('Folder')}>
          <code>{sandbox.working_directory}</code>
        </Fact>
        {sandbox.env.length > 0 && (
          <Fact name={t('Environment')}>
            <code title={t('Names only: values are never shown.')}>{sandbox.env.join(' ')}</code>
          </Fact>
        )}
        <Fact name={t('Limits')}>
          {limited.length > 0 ? limited.join(', ') : <span class="orkee-dim">{t('none')}</span>}
        </Fact>
        {sandbox.timeout !== null && (
          <Fact name={t('Ends after')}>{duration(sandbox.timeout, t)}</Fact>
        )}
        <Fact name={t('Id')}>
          <code>{sandbox.id}</code>
        </Fact>
      </dl>
    </>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

const Figures = tracked(function Figures({ sandbox }: { sandbox: Sandbox }) {
  const { state, host } = usePage();
  const { t } = host;
  const samples = state.samples(sandbox.id).value;
  const newest = samples.at(-1);
  if (newest === undefined) {
    return <Fact name={t('Usage')}><span class="orkee-dim">{t('measuring…')}</span></Fact>;
  }
  const { limits } = sandbox;
  const memory = limits.memory === null
    ? bytes(newest.memory_bytes)
    : t('%1 of %2', bytes(newest.memory_bytes), bytes(limits.memory));
  return (
    <>
      <Fact name={t('CPU')}>
        <Line
          samples={samples}
          of={(each) => each.cpu_percent}
          top={100 * (limits.cpus ?? 1)}
          label={t('CPU %1', percent(newest.cpu_percent))}
          figure={percent(newest.cpu_percent)}
        />
      </Fact>
      <Fact name={t('Memory')}>
        <Line
          samples={samples}
          of={(each) => each.memory_bytes}
          top={limits.memory ?? newest.memory_peak_bytes * 1.3}
          label={t('Memory %1', memory)}
          figure={memory}
        />
      </Fact>
      <Fact name={t('Processes')}>{newest.processes}</Fact>
      <Fact name={t('Network')}>
        {t('%1 in, %2 out', bytes(newest.network_received_bytes), bytes(newest.network_sent_bytes))}
      </Fact>
      {newest.disk_bytes !== null && <Fact name={t('Files')}>{bytes(newest.disk_bytes)}</Fact>}
    </>
  );
});

/** The time that is left, and more of it. */
const Left = tracked(function Left({ sandbox }: { sandbox: Sandbox }) {
  const { state, host, actions } = usePage();
  const { t } = host;
  const [asking, setAsking] = useState(false);
  const [text, setText] = useState('2h');
  const busy = actions.note(sandbox.id).value.busy === 'extend';
  return (
    <Fact name={t('Time left')}>
      <span title={t('Each use gives it %1 again.', duration(sandbox.ttl, t))}>
        {span(sandbox.expires_at - state.now.value, t)}
      </span>
      <span class="orkee-extend">
        <Button
          disabled={busy}
          label={t('Extend by 1 h')}
          look="normal"
          onClick={() => void actions.addTime(sandbox, 3600)}
        >
          {t('+1 h')}
        </Button>
        <Button look="plain" aria-expanded={asking} onClick={() => setAsking(!asking)}>
          {t('Other…')}
        </Button>
      </span>
      {asking && (
        <form
          class="orkee-extend-form"
          onSubmit={(event) => {
            event.preventDefault();
            setAsking(false);
            void actions.extend(sandbox, text.trim());
          }}
        >
          <label>
            {t('At least, from now')}{' '}
            <input
              type="text"
              size={5}
              value={text}
              placeholder="2h"
              onInput={(event) => setText(event.currentTarget.value)}
            />
          </label>
          <Button type="submit" disabled={text.trim() === ''}>{t('Extend')}</Button>
        </form>
      )}
    </Fact>
  );
});
