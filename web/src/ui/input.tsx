import type { ComponentProps, ReactNode } from 'react'
import { cx } from './cx'

/** The look that everything one types or chooses in shares. */
export const control = cx(
  'w-full min-w-0 rounded-md border border-line bg-surface px-2.5 text-sm text-fg',
  'hover:border-line-strong focus-visible:border-accent focus-visible:outline-offset-0',
  'disabled:cursor-not-allowed disabled:bg-sunken disabled:opacity-60 aria-invalid:border-bad',
  // Below 16 px a phone zooms into a field on focus.
  'pointer-coarse:text-[16px]',
)

export interface InputProps extends ComponentProps<'input'> {
  /** An icon or a word at the start. */
  lead?: ReactNode
  /** A unit or a button at the end. */
  trail?: ReactNode
  small?: boolean
  /** Right-aligned tabular figures. */
  numeric?: boolean
}

/** A line of text. */
export function Input({ lead, trail, small, numeric, className, ...rest }: InputProps) {
  const input = (
    <input
      autoComplete="off"
      className={cx(
        control,
        small ? 'h-7 pointer-coarse:h-9' : 'h-8 pointer-coarse:h-10',
        numeric && 'num text-right',
        lead !== undefined && 'pl-8',
        trail !== undefined && 'pr-10',
        className,
      )}
      {...(numeric && { inputMode: 'decimal' as const })}
      {...rest}
    />
  )
  if (lead === undefined && trail === undefined) return input
  return (
    <span className="relative flex w-full min-w-0 items-center">
      {lead !== undefined && <span className="pointer-events-none absolute left-2.5 text-faint">{lead}</span>}
      {input}
      {trail !== undefined && <span className="absolute right-2 flex items-center text-xs text-faint">{trail}</span>}
    </span>
  )
}

/** Several lines of text; grows with them where the browser can. */
export function Textarea({ className, rows = 3, ...rest }: ComponentProps<'textarea'>) {
  return (
    <textarea
      rows={rows}
      className={cx(control, 'field-sizing-content max-h-96 resize-y py-1.5 leading-5', className)}
      {...rest}
    />
  )
}
