import { cx } from './cx'
import { LoaderCircle } from 'lucide-react'
import { Slot } from 'radix-ui'
import type { ComponentProps, ReactNode } from 'react'
import { Tooltip } from './tooltip'

const looks = {
  primary: 'bg-accent-strong text-accent-fg hover:brightness-110 border-transparent',
  secondary: 'bg-surface text-fg border-line hover:bg-hover',
  quiet: 'text-muted hover:bg-hover hover:text-fg border-transparent',
  danger: 'bg-bad-strong text-accent-fg hover:brightness-110 border-transparent',
}

export interface ButtonProps extends ComponentProps<'button'> {
  look?: keyof typeof looks
  small?: boolean
  /** Shows that the work it started is going on, and takes no further press. */
  busy?: boolean
  icon?: ReactNode
  /** Lends its look to its only child, a link. */
  asChild?: boolean
}

/** A button. One primary button a view. */
export function Button({
  look = 'secondary',
  small,
  busy,
  icon,
  asChild,
  className,
  children,
  disabled,
  ...rest
}: ButtonProps) {
  const style = cx(
    'inline-flex shrink-0 items-center justify-center gap-1.5 rounded-md border font-medium whitespace-nowrap select-none',
    'disabled:cursor-not-allowed disabled:opacity-50 aria-busy:cursor-progress',
    small ? 'h-7 px-2 text-xs pointer-coarse:h-9' : 'h-8 px-3 text-sm pointer-coarse:h-10',
    looks[look],
    className,
  )
  if (asChild) return <Slot.Root className={style}>{children}</Slot.Root>
  return (
    <button
      type="button"
      aria-busy={busy || undefined}
      disabled={disabled === true || busy === true}
      className={style}
      {...rest}
    >
      {busy ? <LoaderCircle size={14} className="animate-spin" aria-hidden /> : icon}
      {children}
    </button>
  )
}

export interface IconButtonProps extends Omit<ButtonProps, 'children' | 'asChild' | 'busy' | 'icon'> {
  /** What it does, for the tooltip and for those who do not see the icon. */
  label: string
  /** The key that does the same, shown in the tooltip. */
  shortcut?: string
  children: ReactNode
}

/** A button that is only an icon. */
export function IconButton({ label, shortcut, look = 'quiet', small, className, children, ...rest }: IconButtonProps) {
  return (
    <Tooltip text={label} {...(shortcut !== undefined && { shortcut })}>
      <button
        type="button"
        aria-label={label}
        className={cx(
          'inline-flex shrink-0 items-center justify-center rounded-md border disabled:cursor-not-allowed disabled:opacity-50',
          small ? 'size-6 pointer-coarse:size-9' : 'size-8 pointer-coarse:size-10',
          looks[look],
          className,
        )}
        {...rest}
      >
        {children}
      </button>
    </Tooltip>
  )
}
