import { useAllCommands } from '@/lib/commands'
import { Dialog } from '@/ui/dialog'
import { Kbd } from '@/ui/kbd'

const tables = [
  ['j', 'Next row'],
  ['k', 'Previous row'],
  ['Home', 'First row'],
  ['End', 'Last row'],
  ['enter', 'Open the row'],
  ['x', 'Select the row'],
  ['shift+x', 'Select up to the row'],
  ['mod+c', 'Copy the cell'],
] as const

/** The keys that do something now. */
export function Shortcuts({ open, onOpenChange }: { open: boolean; onOpenChange: (open: boolean) => void }) {
  const commands = useAllCommands()
  const groups = new Map<string, { keys: string; label: string }[]>()
  for (const { group, keys, label } of commands) {
    if (keys !== undefined) groups.set(group, [...(groups.get(group) ?? []), { keys, label }])
  }
  groups.set(
    'In tables',
    tables.map(([keys, label]) => ({ keys, label })),
  )
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title="Keyboard shortcuts" wide>
      <div className="grid gap-6 sm:grid-cols-2">
        {[...groups].map(([group, items]) => (
          <section key={group}>
            <h3 className="mb-1 text-xs font-medium text-muted">{group}</h3>
            <ul>
              {items.map(({ keys, label }) => (
                <li key={keys} className="flex min-h-7 items-center justify-between gap-4 text-sm">
                  {label}
                  <Kbd keys={keys} />
                </li>
              ))}
            </ul>
          </section>
        ))}
      </div>
    </Dialog>
  )
}
