import { Check, ChevronDown } from 'lucide-react'
import { Select as Radix } from 'radix-ui'
import type { ReactNode } from 'react'
import { cx } from './cx'
import { control } from './input'

export interface SelectProps {
  /** Undefined where nothing is chosen yet. */
  value: string | undefined
  onChange: (value: string) => void
  options: { value: string; label: ReactNode; disabled?: boolean }[]
  placeholder?: string
  disabled?: boolean
  small?: boolean
  id?: string
  className?: string
  'aria-label'?: string
  'aria-describedby'?: string | undefined
  'aria-invalid'?: boolean | undefined
}

/** One of a list; from about ten on a Combobox is kinder. */
export function Select({
  value,
  onChange,
  options,
  placeholder = 'Choose',
  disabled,
  small,
  className,
  ...rest
}: SelectProps) {
  return (
    <Radix.Root value={value ?? ''} onValueChange={onChange} disabled={disabled === true}>
      <Radix.Trigger
        className={cx(
          control,
          'flex items-center justify-between gap-2 text-left data-placeholder:text-faint',
          // Nothing is typed into it, so no phone zooms.
          'pointer-coarse:text-sm!',
          small ? 'h-7 text-xs pointer-coarse:h-9' : 'h-8 pointer-coarse:h-10',
          className,
        )}
        {...rest}
      >
        <span className="truncate">
          <Radix.Value placeholder={placeholder} />
        </span>
        <ChevronDown size={14} className="shrink-0 text-faint" aria-hidden />
      </Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          position="popper"
          sideOffset={4}
          collisionPadding={8}
          className="pop fade-in z-50 max-h-(--radix-select-content-available-height) min-w-(--radix-select-trigger-width) overflow-hidden p-1"
        >
          <Radix.Viewport>
            {options.map((option) => (
              <Radix.Item
                key={option.value}
                value={option.value}
                disabled={option.disabled === true}
                className="flex h-8 cursor-default items-center justify-between gap-3 rounded-md px-2 text-sm outline-none select-none data-disabled:opacity-50 data-highlighted:bg-hover pointer-coarse:h-10"
              >
                <Radix.ItemText>{option.label}</Radix.ItemText>
                <Radix.ItemIndicator>
                  <Check size={14} className="text-accent" aria-hidden />
                </Radix.ItemIndicator>
              </Radix.Item>
            ))}
          </Radix.Viewport>
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}
