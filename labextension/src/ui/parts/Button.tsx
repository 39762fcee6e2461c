import type { ButtonHTMLAttributes, ComponentChildren } from 'preact';

import { Icon, type IconName } from './Icon';

interface ButtonProps extends Omit<ButtonHTMLAttributes<HTMLButtonElement>, 'icon'> {
  icon?: IconName;
  /** `icon`: no words to see, `label` is its name; `main`: the one to press; `plain`: like a link. */
  look?: 'icon' | 'main' | 'plain' | 'normal';
  label?: string;
  children?: ComponentChildren;
}

/** A button; one that is `disabled` keeps the focus, and says why in its name where there is one. */
export function Button({ icon, look, label, children, disabled, onClick, ...rest }: ButtonProps) {
  const kind = look ?? (children === undefined ? 'icon' : 'normal');
  return (
    <button
      type="button"
      {...rest}
      class={`orkee-button orkee-button-${kind} ${typeof rest.class === 'string' ? rest.class : ''}`}
      aria-label={label ?? rest['aria-label']}
      title={label ?? rest.title}
      aria-disabled={disabled ? 'true' : undefined}
      onClick={disabled ? undefined : onClick}
    >
      {icon && <Icon name={icon} />}
      {children !== undefined && <span>{children}</span>}
    </button>
  );
}
