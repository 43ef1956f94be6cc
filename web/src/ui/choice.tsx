import { Check, Minus } from 'lucide-react'
import { Checkbox as RadixCheckbox, RadioGroup as RadixRadio, Switch as RadixSwitch } from 'radix-ui'
import { useId, type ReactNode } from 'react'
import { cx } from './cx'

interface ToggleProps {
  checked: boolean
  onChange: (checked: boolean) => void
  /** Shown beside it; without, give aria-label. */
  label?: ReactNode
  hint?: ReactNode
  disabled?: boolean
  'aria-label'?: string
}

function Labelled({ id, label, hint, control }: { id: string; label: ReactNode; hint: ReactNode; control: ReactNode }) {
  if (label === undefined) return control
  return (
    <div className="flex items-start gap-2">
      <span className="flex h-5 items-center">{control}</span>
      <span className="min-w-0">
        <label htmlFor={id} className="block text-sm leading-5">
          {label}
        </label>
        {hint !== undefined && (
          <span id={`${id}-hint`} className="block text-xs text-muted">
            {hint}
          </span>
        )}
      </span>
    </div>
  )
}

const box =
  'flex size-4 shrink-0 items-center justify-center border border-line-strong bg-surface text-accent-fg disabled:cursor-not-allowed disabled:opacity-50'
const on =
  'data-[state=checked]:border-accent-strong data-[state=checked]:bg-accent-strong data-[state=indeterminate]:border-accent-strong data-[state=indeterminate]:bg-accent-strong'

export interface CheckboxProps extends Omit<ToggleProps, 'checked'> {
  /** Mixed: some of what it stands for are checked. */
  checked: boolean | 'mixed'
}

export function Checkbox({ checked, onChange, label, hint, ...rest }: CheckboxProps) {
  const id = useId()
  const control = (
    <RadixCheckbox.Root
      id={id}
      checked={checked === 'mixed' ? 'indeterminate' : checked}
      onCheckedChange={(value) => onChange(value === true)}
      aria-describedby={hint === undefined ? undefined : `${id}-hint`}
      className={cx(box, on, 'rounded-sm')}
      {...rest}
    >
      <RadixCheckbox.Indicator>
        {checked === 'mixed' ? <Minus size={12} strokeWidth={3} /> : <Check size={12} strokeWidth={3} />}
      </RadixCheckbox.Indicator>
    </RadixCheckbox.Root>
  )
  return <Labelled id={id} label={label} hint={hint} control={control} />
}

/** A setting that takes effect at once. */
export function Switch({ checked, onChange, label, hint, ...rest }: ToggleProps) {
  const id = useId()
  const control = (
    <RadixSwitch.Root
      id={id}
      checked={checked}
      onCheckedChange={onChange}
      aria-describedby={hint === undefined ? undefined : `${id}-hint`}
      className="h-4.5 w-8 shrink-0 rounded-full bg-line-strong p-0.5 transition-colors disabled:opacity-50 data-[state=checked]:bg-accent-strong"
      {...rest}
    >
      <RadixSwitch.Thumb className="block size-3.5 rounded-full bg-[#fff] transition-transform data-[state=checked]:translate-x-3.5" />
    </RadixSwitch.Root>
  )
  return <Labelled id={id} label={label} hint={hint} control={control} />
}

export interface RadioProps {
  value: string
  onChange: (value: string) => void
  options: { value: string; label: ReactNode; hint?: ReactNode; disabled?: boolean }[]
  /** What is chosen. */
  label: string
  /** Beside each other. */
  inline?: boolean
}

/** One of a few, all of them seen. */
export function Radio({ value, onChange, options, label, inline }: RadioProps) {
  const id = useId()
  return (
    <RadixRadio.Root
      value={value}
      onValueChange={onChange}
      aria-label={label}
      className={cx('flex gap-2', inline ? 'flex-wrap gap-x-4' : 'flex-col')}
    >
      {options.map((option) => (
        <Labelled
          key={option.value}
          id={`${id}-${option.value}`}
          label={option.label}
          hint={option.hint}
          control={
            <RadixRadio.Item
              id={`${id}-${option.value}`}
              value={option.value}
              disabled={option.disabled === true}
              aria-describedby={option.hint === undefined ? undefined : `${id}-${option.value}-hint`}
              className={cx(box, on, 'rounded-full')}
            >
              <RadixRadio.Indicator className="size-1.5 rounded-full bg-accent-fg" />
            </RadixRadio.Item>
          }
        />
      ))}
    </RadixRadio.Root>
  )
}
