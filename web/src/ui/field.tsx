import { CircleAlert } from 'lucide-react'
import { cloneElement, isValidElement, useId, type ReactElement, type ReactNode } from 'react'
import { cx } from './cx'

interface Wired {
  id?: string
  'aria-describedby'?: string | undefined
  'aria-invalid'?: boolean | undefined
}

export interface FieldProps {
  label: ReactNode
  /** What to write, before anything is wrong. */
  hint?: ReactNode
  /** What is wrong and how to mend it. */
  error?: string | undefined
  optional?: boolean
  /** The control: it is given id, aria-describedby and aria-invalid. */
  children: ReactElement<Wired>
  className?: string
}

/** A control with its label, hint and error, wired for assistive technology. */
export function Field({ label, hint, error, optional, children, className }: FieldProps) {
  const made = useId()
  const id = (isValidElement(children) && children.props.id) || made
  const about = [hint !== undefined && `${id}-hint`, error !== undefined && `${id}-error`].filter(Boolean).join(' ')
  return (
    <div className={cx('flex min-w-0 flex-col gap-1', className)}>
      <label htmlFor={id} className="flex items-baseline gap-1.5 text-sm font-medium">
        {label}
        {optional && <span className="text-xs font-normal text-faint">optional</span>}
      </label>
      {cloneElement(children, {
        id,
        'aria-describedby': about || undefined,
        'aria-invalid': error !== undefined || undefined,
      })}
      {error !== undefined && (
        <p id={`${id}-error`} role="alert" className="flex items-start gap-1 text-xs text-bad">
          <CircleAlert size={13} className="mt-px shrink-0" aria-hidden />
          {error}
        </p>
      )}
      {hint !== undefined && (
        <p id={`${id}-hint`} className="text-xs text-muted">
          {hint}
        </p>
      )}
    </div>
  )
}
