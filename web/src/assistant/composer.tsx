import { Button } from '@/ui/button'
import { Textarea } from '@/ui/input'
import { Square, SendHorizontal } from 'lucide-react'
import { useState, type KeyboardEvent } from 'react'

export interface ComposerProps {
  placeholder: string
  /** The assistant is answering: what is written waits, and it can be stopped. */
  working: boolean
  sending: boolean
  /** Says it; throws where it could not be said, and what was written stays. */
  onSend: (text: string) => Promise<unknown>
  onStop?: (() => void) | undefined
  autoFocus?: boolean
}

/** Whether Enter sends: not with Shift, nor while an input method composes a word. */
export function sends(
  event: Pick<KeyboardEvent, 'key' | 'shiftKey'> & { nativeEvent: { isComposing: boolean } },
): boolean {
  return event.key === 'Enter' && !event.shiftKey && !event.nativeEvent.isComposing
}

/** Where one writes to the assistant. */
export function Composer({ placeholder, working, sending, onSend, onStop, autoFocus }: ComposerProps) {
  const [text, setText] = useState('')
  const ready = text.trim() !== '' && !working && !sending
  async function send() {
    if (!ready) return
    setText('')
    try {
      await onSend(text.trim())
    } catch {
      setText((now) => now || text) // the page says why
    }
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        void send()
      }}
      className="flex items-end gap-2"
    >
      <Textarea
        aria-label="Message to the assistant"
        placeholder={placeholder}
        value={text}
        rows={2}
        maxLength={20_000}
        autoFocus={autoFocus}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (!sends(event)) return
          event.preventDefault()
          void send()
        }}
        title="Enter sends, Shift+Enter begins a line"
        className="max-h-48! resize-none!"
      />
      {working && onStop ? (
        <Button icon={<Square size={13} />} onClick={onStop}>
          Stop
        </Button>
      ) : (
        <Button type="submit" look="primary" busy={sending} disabled={!ready} icon={<SendHorizontal size={14} />}>
          Send
        </Button>
      )}
    </form>
  )
}
