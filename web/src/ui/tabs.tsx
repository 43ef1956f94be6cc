import { count } from '@/lib/format'
import { Tabs as Radix } from 'radix-ui'
import type { ReactNode } from 'react'

export interface TabsProps {
  value: string
  onChange: (value: string) => void
  /** What the tabs are of. */
  label: string
  tabs: { value: string; label: string; count?: number; content: ReactNode }[]
}

/** Views of one thing. Keep the value in the address, so that a view can be linked to. */
export function Tabs({ value, onChange, label, tabs }: TabsProps) {
  return (
    <Radix.Root value={value} onValueChange={onChange} className="flex min-h-0 flex-1 flex-col">
      <Radix.List aria-label={label} className="flex shrink-0 gap-4 overflow-x-auto border-b border-line">
        {tabs.map((tab) => (
          <Radix.Trigger
            key={tab.value}
            value={tab.value}
            className="-mb-px flex h-9 shrink-0 items-center gap-1.5 border-b-2 border-transparent text-sm font-medium whitespace-nowrap text-muted outline-offset-[-2px] hover:text-fg data-[state=active]:border-accent data-[state=active]:text-fg pointer-coarse:h-11"
          >
            {tab.label}
            {tab.count !== undefined && (
              <span className="num rounded-full bg-hover px-1.5 text-xs font-normal text-muted">
                {count(tab.count)}
              </span>
            )}
          </Radix.Trigger>
        ))}
      </Radix.List>
      {tabs.map((tab) => (
        <Radix.Content key={tab.value} value={tab.value} className="flex min-h-0 flex-1 flex-col pt-3 outline-offset-4">
          {tab.content}
        </Radix.Content>
      ))}
    </Radix.Root>
  )
}
