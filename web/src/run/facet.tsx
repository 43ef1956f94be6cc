import { count } from '@/lib/format'
import { Button } from '@/ui/button'
import { Checkbox } from '@/ui/choice'
import { Popover } from '@/ui/dialog'
import { ChevronDown } from 'lucide-react'

/** Some of a few values, with how many records each has: all are shown while none is chosen. */
export function Facet({
  label,
  options,
  chosen,
  onChange,
}: {
  label: string
  options: readonly { value: string; label: string; n: number }[]
  chosen: readonly string[]
  onChange: (chosen: string[]) => void
}) {
  const one = options.find((o) => o.value === chosen[0])
  return (
    <Popover
      label={label}
      className="w-72 p-2"
      trigger={
        <Button small look={chosen.length > 0 ? 'secondary' : 'quiet'}>
          {label}
          {chosen.length === 1 ? `: ${one?.label ?? chosen[0] ?? ''}` : chosen.length > 1 ? `: ${chosen.length}` : ''}
          <ChevronDown size={12} aria-hidden />
        </Button>
      }
    >
      <ul className="max-h-80 overflow-y-auto">
        {options.map((option) => (
          <li key={option.value} className="flex min-h-8 items-center gap-3 px-1">
            <span className="min-w-0 flex-1">
              <Checkbox
                label={option.label}
                checked={chosen.includes(option.value)}
                onChange={(on) =>
                  onChange(on ? [...chosen, option.value] : chosen.filter((value) => value !== option.value))
                }
              />
            </span>
            <span className="num text-xs text-muted">{count(option.n)}</span>
          </li>
        ))}
      </ul>
      <Button small look="quiet" className="mt-1 w-full" disabled={chosen.length === 0} onClick={() => onChange([])}>
        All of them
      </Button>
    </Popover>
  )
}
