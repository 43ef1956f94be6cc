import { DropdownMenu as Radix } from 'radix-ui'
import type { ReactElement, ReactNode } from 'react'
import { cx } from './cx'
import { Kbd } from './kbd'

export interface MenuItem {
  label: string
  icon?: ReactNode
  shortcut?: string
  danger?: boolean
  disabled?: boolean
  /** Marks one of a group as the chosen one. */
  checked?: boolean
  onSelect: () => void
}

export interface MenuProps {
  trigger: ReactElement
  /** Groups, a line between them; a group may have a heading. */
  groups: { label?: string; items: MenuItem[] }[]
  align?: 'start' | 'end'
}

const row =
  'flex h-8 cursor-default items-center gap-2 rounded-md px-2 text-sm outline-none select-none data-disabled:opacity-50 data-highlighted:bg-hover pointer-coarse:h-10'

/** Actions behind a button. */
export function Menu({ trigger, groups, align = 'end' }: MenuProps) {
  return (
    <Radix.Root>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content align={align} sideOffset={4} collisionPadding={8} className="pop fade-in z-50 min-w-44 p-1">
          {groups.map((group, i) => (
            <Radix.Group key={i}>
              {i > 0 && <Radix.Separator className="-mx-1 my-1 h-px bg-line" />}
              {group.label !== undefined && (
                <Radix.Label className="px-2 py-1 text-xs text-faint">{group.label}</Radix.Label>
              )}
              {group.items.map((item) => (
                <Item key={item.label} item={item} />
              ))}
            </Radix.Group>
          ))}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}

function Item({ item }: { item: MenuItem }) {
  const body = (
    <>
      {item.icon !== undefined && <span className="text-faint">{item.icon}</span>}
      <span className="flex-1">{item.label}</span>
      {item.shortcut !== undefined && <Kbd keys={item.shortcut} />}
      {item.checked === true && <span aria-hidden>✓</span>}
    </>
  )
  const common = {
    className: cx(row, item.danger && 'text-bad'),
    disabled: item.disabled === true,
    onSelect: item.onSelect,
  }
  if (item.checked === undefined) return <Radix.Item {...common}>{body}</Radix.Item>
  return (
    <Radix.CheckboxItem {...common} checked={item.checked}>
      {body}
    </Radix.CheckboxItem>
  )
}
