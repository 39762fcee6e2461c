import { useEffect, useId, useRef, useState } from 'preact/hooks';

import { Button } from './Button';
import { Icon, type IconName } from './Icon';
import { step } from './keys';

export interface MenuItem {
  label: string;
  icon?: IconName;
  disabled?: boolean;
  action(): void;
}

/** A button that opens a menu: arrow keys, Home, End and first letters move, Escape closes. */
export function Menu({ label, items }: { label: string; items: () => MenuItem[] }) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLSpanElement>(null);
  const id = useId();
  const close = () => {
    setOpen(false);
    root.current?.querySelector('button')?.focus();
  };
  useEffect(() => {
    if (!open) {
      return;
    }
    const outside = (event: Event) => {
      if (!event.composedPath().includes(root.current as EventTarget)) {
        setOpen(false);
      }
    };
    const document = root.current?.ownerDocument;
    document?.addEventListener('pointerdown', outside, true);
    return () => document?.removeEventListener('pointerdown', outside, true);
  }, [open]);
  return (
    <span class="orkee-menu-place" ref={root}>
      <Button
        icon="more"
        look="icon"
        label={label}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        onClick={() => (open ? close() : setOpen(true))}
        onKeyDown={(event) => {
          if (event.key === 'ArrowDown' && !open) {
            event.preventDefault();
            setOpen(true);
          }
        }}
      />
      {open && <MenuList id={id} label={label} items={items()} anchor={root.current} close={close} />}
    </span>
  );
}

interface MenuListProps {
  id: string;
  label: string;
  items: MenuItem[];
  anchor: HTMLElement | null;
  close(): void;
}

function MenuList({ id, label, items, anchor, close }: MenuListProps) {
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = list.current;
    if (element !== null) {
      place(element, anchor);
      entries(element)[0]?.focus({ preventScroll: true });
    }
  }, [anchor]);
  const choose = (item: MenuItem) => {
    if (!item.disabled) {
      close();
      item.action();
    }
  };
  return (
    <div
      id={id}
      ref={list}
      class="orkee-menu"
      role="menu"
      aria-label={label}
      popover="manual"
      onKeyDown={(event) => move(event, close)}
    >
      {items.map((item) => (
        <button
          key={item.label}
          type="button"
          role="menuitem"
          tabIndex={-1}
          aria-disabled={item.disabled ? 'true' : undefined}
          onClick={() => choose(item)}
        >
          {item.icon === undefined ? <span class="orkee-icon" /> : <Icon name={item.icon} />}
          {item.label}
        </button>
      ))}
    </div>
  );
}

function entries(list: Element): HTMLElement[] {
  return [...list.querySelectorAll<HTMLElement>('[role=menuitem]')];
}

/** In the top layer no scrolling box cuts it off; where there is none it lies below its button. */
function place(menu: HTMLElement, anchor: HTMLElement | null): void {
  if (typeof menu.showPopover !== 'function' || anchor === null) {
    menu.removeAttribute('popover');
    return;
  }
  menu.showPopover();
  const around = anchor.getBoundingClientRect();
  const own = menu.getBoundingClientRect();
  const view = menu.ownerDocument.documentElement;
  const below = around.bottom + 2;
  const fits = below + own.height <= view.clientHeight;
  menu.style.top = `${fits ? below : Math.max(2, around.top - own.height - 2)}px`;
  menu.style.left = `${Math.max(2, around.right - own.width)}px`;
}

function move(event: KeyboardEvent, close: () => void): void {
  const all = entries(event.currentTarget as Element);
  const at = all.indexOf(event.target as HTMLElement);
  if (event.key === 'Escape' || event.key === 'Tab') {
    close();
  } else if (event.key.length === 1 && event.key !== ' ') {
    [...all.slice(at + 1), ...all.slice(0, at + 1)]
      .find((each) => each.textContent?.trim().toLowerCase().startsWith(event.key.toLowerCase()))
      ?.focus();
  } else if (step(event, all) === null) {
    return;
  }
  event.preventDefault();
  event.stopPropagation();
}
