import { duration } from '@/lib/format'
import { Button, IconButton } from '@/ui/button'
import { Textarea } from '@/ui/input'
import { LoaderCircle, Pencil, RotateCcw } from 'lucide-react'
import { memo, useState } from 'react'
import { CardGroup } from './cards'
import { sends } from './composer'
import { grouped, type Draft, type Said } from './conversation'
import { Prose } from './prose'

export interface MessageProps {
  said: Said
  /** Writes an own message anew: what came after it goes. */
  onEdit?: ((id: string, text: string) => void) | undefined
  /** Has the last question answered again, where its answer is not the whole one or not the model's. */
  onAgain?: (() => void) | undefined
}

/** One message, with its cards. */
export const Message = memo(function Message({ said, onEdit, onAgain }: MessageProps) {
  const [editing, setEditing] = useState(false)
  if (said.role === 'user') {
    if (editing && onEdit)
      return (
        <Edit
          text={said.text}
          onCancel={() => setEditing(false)}
          onSend={(text) => {
            setEditing(false)
            onEdit(said.id, text)
          }}
        />
      )
    return (
      <article data-said aria-label="You" className="group flex items-start justify-end gap-1">
        {onEdit && (
          <span className="opacity-0 group-hover:opacity-100 focus-within:opacity-100 pointer-coarse:opacity-100">
            <IconButton label="Edit and send again" small onClick={() => setEditing(true)}>
              <Pencil size={13} />
            </IconButton>
          </span>
        )}
        <p className="max-w-[80%] rounded-lg bg-accent-soft px-3 py-2 text-base break-words whitespace-pre-wrap">
          {said.text}
        </p>
      </article>
    )
  }
  return (
    <article data-said aria-label="Assistant" className="flex min-w-0 flex-col gap-3">
      {said.text && <Prose text={said.text} />}
      {grouped(said.cards ?? []).map((cards) => (
        <CardGroup key={cards[0]?.id} cards={cards} />
      ))}
      <Footnote said={said} />
      {onAgain && (
        <div>
          <Button small icon={<RotateCcw size={13} />} onClick={onAgain}>
            Answer again
          </Button>
        </div>
      )}
    </article>
  )
})

/** What was called to find out, who answered, and whether it is whole. */
function Footnote({ said }: { said: Said }) {
  const tools = said.tools ?? []
  if (tools.length === 0 && !said.by && !said.partial) return null
  return (
    <div className="flex flex-wrap items-start gap-x-3 text-xs text-muted">
      {said.partial && <span className="text-warn">Stopped: this is not the whole answer.</span>}
      {said.by && <span>{said.by}</span>}
      {tools.length > 0 && (
        <details>
          <summary className="cursor-pointer">
            {tools.length === 1 ? 'One look' : `${tools.length} looks`} at the data
            {tools.some((t) => t.error) && <span className="text-warn"> (not all succeeded)</span>}
          </summary>
          <ul className="mt-1 border-l-2 border-line pl-2">
            {tools.map((tool, i) => (
              <li key={i}>
                {tool.title} <span className="num">({duration(tool.ms)})</span>
                {tool.error && <span className="text-warn">: {tool.error}</span>}
              </li>
            ))}
          </ul>
        </details>
      )}
    </div>
  )
}

function Edit({ text, onSend, onCancel }: { text: string; onSend: (text: string) => void; onCancel: () => void }) {
  const [now, setNow] = useState(text)
  const send = () => now.trim() !== '' && onSend(now.trim())
  return (
    <form
      className="flex flex-col gap-2"
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
    >
      <Textarea
        aria-label="Your message"
        value={now}
        autoFocus
        onFocus={(event) => event.target.setSelectionRange(text.length, text.length)}
        onChange={(event) => setNow(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') onCancel()
          if (!sends(event)) return
          event.preventDefault()
          send()
        }}
      />
      <div className="flex flex-wrap items-center justify-end gap-2">
        <span className="min-w-0 flex-1 text-xs text-muted">
          What came after this message is taken back; what was saved stays.
        </span>
        <Button small onClick={onCancel}>
          Cancel
        </Button>
        <Button small look="primary" type="submit" disabled={now.trim() === ''}>
          Send again
        </Button>
      </div>
    </form>
  )
}

/** The answer as it is written. */
export function Writing({ draft }: { draft: Draft | undefined }) {
  return (
    <article aria-label="Assistant" className="flex flex-col gap-2">
      {draft && draft.text !== '' && <Prose text={draft.text} />}
      <p className="flex items-center gap-2 text-sm text-muted">
        <LoaderCircle size={14} className="animate-spin" aria-hidden />
        {draft?.doing ?? (draft ? 'Writing' : 'Thinking')}
      </p>
    </article>
  )
}
