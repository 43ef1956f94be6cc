import { X } from 'lucide-react'
import { AlertDialog as RadixAlert, Dialog as RadixDialog, Popover as RadixPopover } from 'radix-ui'
import { useState, type ReactElement, type ReactNode } from 'react'
import { Button } from './button'
import { cx } from './cx'
import { useReturnFocus } from './return-focus'

const scrim = 'fade-in fixed inset-0 z-40 bg-scrim'

export interface DialogProps {
  open: boolean
  onOpenChange: (open: boolean) => void
  title: string
  description?: ReactNode
  children?: ReactNode
  /** Buttons, the main one last. */
  footer?: ReactNode
  wide?: boolean
}

function Frame({
  title,
  description,
  children,
  footer,
}: Pick<DialogProps, 'title' | 'description' | 'children' | 'footer'>) {
  return (
    <>
      <header className="border-b border-line py-3 pr-12 pl-4">
        <RadixDialog.Title className="text-lg font-semibold">{title}</RadixDialog.Title>
        {description !== undefined && (
          <RadixDialog.Description className="text-sm text-muted">{description}</RadixDialog.Description>
        )}
      </header>
      <div className="min-h-0 flex-1 overflow-y-auto px-4 py-4">{children}</div>
      {footer !== undefined && (
        <footer className="flex flex-wrap justify-end gap-2 border-t border-line px-4 py-3">{footer}</footer>
      )}
      {/* Last, so that the first field has the focus; without a tooltip, which would take the first Escape. */}
      <RadixDialog.Close
        aria-label="Close"
        className="absolute top-2.5 right-2.5 flex size-8 items-center justify-center rounded-md text-muted hover:bg-hover hover:text-fg"
      >
        <X size={16} aria-hidden />
      </RadixDialog.Close>
    </>
  )
}

/** What lies over the page, at a place. */
function Layer({ open, onOpenChange, place, ...frame }: Omit<DialogProps, 'wide'> & { place: string }) {
  const focus = useReturnFocus()
  return (
    <RadixDialog.Root open={open} onOpenChange={onOpenChange}>
      <RadixDialog.Portal>
        <RadixDialog.Overlay className={scrim} />
        <RadixDialog.Content
          {...focus}
          {...(frame.description === undefined && { 'aria-describedby': undefined })}
          className={place}
        >
          <Frame {...frame} />
        </RadixDialog.Content>
      </RadixDialog.Portal>
    </RadixDialog.Root>
  )
}

/** A question that has to be answered before going on. */
export function Dialog({ wide, ...layer }: DialogProps) {
  return (
    <Layer
      {...layer}
      place={cx(
        'pop fade-in fixed top-[12vh] left-1/2 z-50 flex max-h-[76vh] w-[calc(100vw-24px)] -translate-x-1/2 flex-col',
        wide ? 'max-w-3xl' : 'max-w-lg',
      )}
    />
  )
}

/** Details beside the page: from the right, over the whole of a phone. */
export function Sheet({ wide, ...layer }: DialogProps) {
  return (
    <Layer
      {...layer}
      place={cx(
        'slide-in fixed inset-y-0 right-0 z-50 flex w-full flex-col border-l border-line bg-surface shadow-pop',
        wide ? 'sm:max-w-3xl' : 'sm:max-w-md',
      )}
    />
  )
}

export interface AlertDialogProps {
  /** The button that asks for it. */
  trigger: ReactElement
  /** A question: "Delete the source bank?" */
  title: string
  /** What will be lost. */
  description: ReactNode
  /** The deed as a verb: "Delete". */
  action: string
  /** Stays open and busy until it is done; if it fails the page says why. */
  onConfirm: () => Promise<unknown>
}

/** Asks before something is done that cannot be undone. */
export function AlertDialog({ trigger, title, description, action, onConfirm }: AlertDialogProps) {
  const [open, setOpen] = useState(false)
  const [busy, setBusy] = useState(false)
  async function confirm() {
    setBusy(true)
    try {
      await onConfirm()
    } finally {
      setBusy(false)
      setOpen(false)
    }
  }
  return (
    <RadixAlert.Root open={open} onOpenChange={(next) => busy || setOpen(next)}>
      <RadixAlert.Trigger asChild>{trigger}</RadixAlert.Trigger>
      <RadixAlert.Portal>
        <RadixAlert.Overlay className={scrim} />
        <RadixAlert.Content className="pop fade-in fixed top-[20vh] left-1/2 z-50 w-[calc(100vw-24px)] max-w-md -translate-x-1/2 p-4">
          <RadixAlert.Title className="text-lg font-semibold">{title}</RadixAlert.Title>
          <RadixAlert.Description className="mt-1 text-sm text-muted">{description}</RadixAlert.Description>
          <div className="mt-4 flex justify-end gap-2">
            <RadixAlert.Cancel asChild>
              <Button disabled={busy}>Cancel</Button>
            </RadixAlert.Cancel>
            <Button look="danger" busy={busy} onClick={() => void confirm()}>
              {action}
            </Button>
          </div>
        </RadixAlert.Content>
      </RadixAlert.Portal>
    </RadixAlert.Root>
  )
}

export interface PopoverProps {
  trigger: ReactElement
  /** What it is about, for those who do not see it. */
  label: string
  children: ReactNode
  align?: 'start' | 'center' | 'end'
  open?: boolean
  onOpenChange?: (open: boolean) => void
  className?: string
}

/** A small panel at a button. */
export function Popover({ trigger, label, children, align = 'start', className, ...state }: PopoverProps) {
  return (
    <RadixPopover.Root {...state}>
      <RadixPopover.Trigger asChild>{trigger}</RadixPopover.Trigger>
      <RadixPopover.Portal>
        <RadixPopover.Content
          aria-label={label}
          align={align}
          sideOffset={4}
          collisionPadding={8}
          className={cx('pop fade-in z-50 max-w-[calc(100vw-16px)]', className)}
        >
          {children}
        </RadixPopover.Content>
      </RadixPopover.Portal>
    </RadixPopover.Root>
  )
}
