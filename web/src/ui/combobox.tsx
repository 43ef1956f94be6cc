import { fuzzy } from '@/lib/fuzzy'
import { Check, ChevronsUpDown } from 'lucide-react'
import { Popover } from 'radix-ui'
import { useState, type ReactNode } from 'react'
import { cx } from './cx'
import { control } from './input'
import { useListbox } from './listbox'

export interface ComboboxOption {
  value: string
  label: string
  /** A second line or a type at the end. */
  detail?: ReactNode
}

export interface ComboboxProps {
  value: string | undefined
  onChange: (value: string) => void
  options: readonly ComboboxOption[]
  placeholder?: string
  /** What is said where nothing matches the search. */
  none?: string
  disabled?: boolean
  id?: string
  className?: string
  'aria-label'?: string
  'aria-describedby'?: string | undefined
  'aria-invalid'?: boolean | undefined
}

/** One of many, found by typing. */
export function Combobox({
  value,
  onChange,
  options,
  placeholder = 'Choose',
  none = 'Nothing matches.',
  disabled,
  className,
  ...rest
}: ComboboxProps) {
  const [open, setOpen] = useState(false)
  const chosen = options.find((o) => o.value === value)
  return (
    <Popover.Root open={open} onOpenChange={setOpen}>
      <Popover.Trigger
        disabled={disabled === true}
        className={cx(
          control,
          'flex h-8 items-center justify-between gap-2 text-left pointer-coarse:h-10 pointer-coarse:text-sm!',
          className,
        )}
        {...rest}
      >
        <span className={cx('truncate', !chosen && 'text-faint')}>{chosen?.label ?? placeholder}</span>
        <ChevronsUpDown size={14} className="shrink-0 text-faint" aria-hidden />
      </Popover.Trigger>
      <Popover.Portal>
        <Popover.Content
          align="start"
          sideOffset={4}
          collisionPadding={8}
          className="pop fade-in z-50 w-(--radix-popover-trigger-width) min-w-56 overflow-hidden"
        >
          <Search
            options={options}
            value={value}
            none={none}
            label={rest['aria-label'] ?? placeholder}
            choose={(next) => {
              onChange(next)
              setOpen(false)
            }}
          />
        </Popover.Content>
      </Popover.Portal>
    </Popover.Root>
  )
}

// Its own component, so that every opening starts with an empty search.
function Search(props: {
  options: readonly ComboboxOption[]
  value: string | undefined
  none: string
  label: string
  choose: (value: string) => void
}) {
  const [query, setQuery] = useState('')
  const found = props.options
    .flatMap((option) => {
      const hit = fuzzy(query, option.label)
      return hit ? [{ option, score: query ? hit.score : 0 }] : []
    })
    .sort((a, b) => b.score - a.score)
    .slice(0, 200)
    .map((entry) => entry.option)
  const box = useListbox(found.length, (i) => {
    const option = found[i]
    if (option) props.choose(option.value)
  })
  return (
    <>
      <input
        {...box.input}
        value={query}
        onChange={(event) => {
          setQuery(event.target.value)
          box.setActive(0)
        }}
        placeholder="Search"
        aria-label={`Search: ${props.label}`}
        className="h-9 w-full border-b border-line bg-transparent px-3 text-sm outline-none pointer-coarse:text-[16px]"
      />
      <div {...box.list} aria-label={props.label} className="max-h-64 overflow-y-auto p-1">
        {found.map((option, i) => (
          <div
            key={option.value}
            {...box.option(i)}
            className={cx(
              'flex min-h-8 items-center gap-2 rounded-md px-2 text-sm pointer-coarse:min-h-10',
              i === box.active && 'bg-hover',
            )}
          >
            <Check
              size={14}
              className={cx('shrink-0 text-accent', option.value !== props.value && 'invisible')}
              aria-hidden
            />
            <span className="min-w-0 flex-1 truncate">{option.label}</span>
            {option.detail !== undefined && <span className="shrink-0 text-xs text-faint">{option.detail}</span>}
          </div>
        ))}
      </div>
      {found.length === 0 && (
        <p role="status" className="px-3 pt-1 pb-4 text-sm text-muted">
          {props.none}
        </p>
      )}
    </>
  )
}
