import { Tooltip as Radix } from 'radix-ui'
import type { ReactNode } from 'react'
import { Kbd } from './kbd'

/** Explains its child on hover and focus. Needs TooltipProvider above. */
export function Tooltip({ text, shortcut, children }: { text: ReactNode; shortcut?: string; children: ReactNode }) {
  return (
    <Radix.Root>
      <Radix.Trigger asChild>{children}</Radix.Trigger>
      <Radix.Portal>
        <Radix.Content
          sideOffset={5}
          collisionPadding={8}
          className="pop fade-in z-50 flex max-w-72 items-center gap-2 rounded-md px-2 py-1 text-xs"
        >
          {text}
          {shortcut !== undefined && <Kbd keys={shortcut} />}
        </Radix.Content>
      </Radix.Portal>
    </Radix.Root>
  )
}

/** Goes around the app once. */
export function TooltipProvider({ children }: { children: ReactNode }) {
  return (
    <Radix.Provider delayDuration={400} skipDelayDuration={150}>
      {children}
    </Radix.Provider>
  )
}
