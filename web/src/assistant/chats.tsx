import { AlertDialog } from '@/ui/dialog'
import { IconButton } from '@/ui/button'
import { cx } from '@/ui/cx'
import { ErrorState, Loading, Skeleton } from '@/ui/states'
import { toast } from '@/ui/toast'
import { DateTime } from '@/ui/values'
import { useQuery, useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { LoaderCircle, Trash2 } from 'lucide-react'
import { chatQuery, chatsQuery, remove } from './api'
import type { Session } from './conversation'

/** What a conversation is called: by what was said first, or else by its sources. */
export function titleOf({ title, left, right }: Pick<Session, 'title' | 'left' | 'right'>): string {
  if (title) return title
  return left && right ? `${left.source} and ${right.source}` : 'New conversation'
}

/** One's conversations, newest first. */
export function Chats({ current }: { current?: string }) {
  const chats = useQuery(chatsQuery)
  if (chats.isError) return <ErrorState error={chats.error} small onRetry={() => void chats.refetch()} />
  if (!chats.data)
    return (
      <Loading label="Loading the conversations">
        <div className="flex flex-col gap-2">
          <Skeleton className="h-10" />
          <Skeleton className="h-10" />
        </div>
      </Loading>
    )
  if (chats.data.length === 0) return <p className="px-2 text-sm text-muted">No conversations yet.</p>
  return (
    <ul className="flex flex-col gap-0.5">
      {chats.data.map((chat) => (
        <Entry key={chat.id} chat={chat} here={chat.id === current} />
      ))}
    </ul>
  )
}

function Entry({ chat, here }: { chat: Session; here: boolean }) {
  const client = useQueryClient()
  const navigate = useNavigate()
  const title = titleOf(chat)
  async function forget() {
    try {
      await remove(chat.id)
    } catch (cause) {
      toast.failed('Deleting the conversation', cause)
      throw cause
    }
    toast.done('Conversation deleted')
    if (here) await navigate({ to: '/assistant' })
    client.removeQueries({ queryKey: chatQuery(chat.id).queryKey })
    await client.invalidateQueries({ queryKey: chatsQuery.queryKey, exact: true })
  }
  return (
    <li className={cx('group flex items-center rounded-md pr-1 hover:bg-hover', here && 'bg-hover')}>
      <Link
        to="/assistant/$id"
        params={{ id: chat.id }}
        aria-current={here ? 'page' : undefined}
        className="min-w-0 flex-1 rounded-md px-2 py-1.5 text-sm"
      >
        <span className={cx('flex items-center gap-1.5', here && 'font-medium')}>
          <span className="truncate">{title}</span>
          {chat.status === 'working' && (
            <LoaderCircle size={12} className="shrink-0 animate-spin text-accent" aria-label="answering" />
          )}
        </span>
        <span className="block truncate text-xs text-muted">
          <DateTime value={chat.updated_at} relative />
          {chat.title && chat.left && chat.right && ` · ${chat.left.source}, ${chat.right.source}`}
        </span>
      </Link>
      <AlertDialog
        trigger={
          <IconButton
            label={`Delete ${title}`}
            small
            className="opacity-0 group-hover:opacity-100 focus-visible:opacity-100 pointer-coarse:opacity-100"
          >
            <Trash2 size={13} />
          </IconButton>
        }
        title={`Delete “${title}”?`}
        description="What was said in it is lost. Recipes that were saved, runs and sources stay."
        action="Delete"
        onConfirm={forget}
      />
    </li>
  )
}
