import { api, type Role, type User } from '@/lib/api'
import { data, nextCursor } from '@/lib/http'
import { meQuery, useMe } from '@/lib/me'
import { Button, IconButton } from '@/ui/button'
import { Menu } from '@/ui/menu'
import { Select } from '@/ui/select'
import { ErrorState } from '@/ui/states'
import { Badge } from '@/ui/status'
import { Table, type TableColumn } from '@/ui/table'
import { toast } from '@/ui/toast'
import { DateTime } from '@/ui/values'
import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query'
import { Ellipsis } from 'lucide-react'
import { useState } from 'react'
import { Panel } from './panel'
import { roles } from './roles'
import { AddUser, DeleteUser, ResetPassword, usersKey } from './user-dialogs'

/** Who has an account, and what they may do. */
export function Users() {
  const me = useMe()
  const queries = useQueryClient()
  const [adding, setAdding] = useState(false)
  const [resetting, setResetting] = useState<User>()
  const [deleting, setDeleting] = useState<User>()
  const list = useInfiniteQuery({
    queryKey: usersKey,
    initialPageParam: '',
    queryFn: async ({ pageParam, signal }) => {
      const { data: users, response } = await api.GET('/api/users', {
        signal,
        params: { query: { limit: 100, ...(pageParam && { cursor: pageParam }) } },
      })
      return { users: users ?? [], next: nextCursor(response) }
    },
    getNextPageParam: (page) => page.next,
  })
  const change = useMutation({
    mutationFn: ({ user, ...body }: { user: User; role?: Role; disabled?: boolean }) =>
      data(api.PATCH('/api/users/{id}', { params: { path: { id: user.id } }, body })),
    onError: (cause, { user }) => toast.failed(`Changing ${user.email}`, cause),
    onSettled: async (_answer, _cause, { user }) => {
      await queries.invalidateQueries({ queryKey: usersKey })
      if (user.id === me.id) await queries.invalidateQueries({ queryKey: meQuery.queryKey })
    },
  })
  const columns: TableColumn<User>[] = [
    {
      id: 'user',
      header: 'User',
      grows: true,
      cell: (u) => (
        <div className="min-w-36">
          <p className="flex items-center gap-2 font-medium">
            {u.name || u.email}
            {u.id === me.id && <Badge tone="accent">You</Badge>}
            {u.disabled && <Badge tone="warn">Disabled</Badge>}
          </p>
          {u.name && <p className="text-xs text-muted">{u.email}</p>}
        </div>
      ),
    },
    {
      id: 'role',
      header: 'Role',
      cell: (u) => (
        <Select
          small
          className="w-32"
          aria-label={`Role of ${u.email}`}
          value={u.role}
          onChange={(role) => change.mutate({ user: u, role: role as Role })}
          options={roles}
        />
      ),
    },
    {
      id: 'means',
      header: 'Signs in by',
      from: 'lg',
      cell: (u) => (
        <span className="whitespace-nowrap text-muted">
          {[u.has_password && 'password', u.has_oidc && 'OpenID'].filter(Boolean).join(', ') ||
            (u.last_sign_in_at === undefined ? 'no means yet' : 'one-time link')}
        </span>
      ),
    },
    {
      id: 'seen',
      header: 'Last sign-in',
      numeric: true,
      from: 'lg',
      cell: (u) =>
        u.last_sign_in_at === undefined ? (
          <span className="text-muted">never</span>
        ) : (
          <DateTime value={u.last_sign_in_at} relative />
        ),
    },
    {
      id: 'acts',
      header: '',
      numeric: true,
      cell: (u) => (
        <Menu
          trigger={
            <IconButton small label={`More about ${u.email}`}>
              <Ellipsis size={14} />
            </IconButton>
          }
          groups={[
            {
              items: [
                { label: u.has_password ? 'Reset the password' : 'Set a password', onSelect: () => setResetting(u) },
                {
                  label: u.disabled ? 'Enable' : 'Disable',
                  disabled: u.id === me.id,
                  onSelect: () => change.mutate({ user: u, disabled: !u.disabled }),
                },
              ],
            },
            {
              items: [{ label: 'Delete', danger: true, disabled: u.id === me.id, onSelect: () => setDeleting(u) }],
            },
          ]}
        />
      ),
    },
  ]
  return (
    <Panel
      title="Users"
      about="Changes work at once: who is disabled is signed out."
      flush
      actions={
        <Button small look="primary" onClick={() => setAdding(true)}>
          Add a user
        </Button>
      }
    >
      {list.error && !list.data ? (
        <ErrorState small error={list.error} onRetry={() => void list.refetch()} />
      ) : (
        <Table label="Users" columns={columns} rows={list.data?.pages.flatMap((p) => p.users)} rowKey={(u) => u.id} />
      )}
      {list.hasNextPage && (
        <div className="border-t border-line p-3 text-center">
          <Button small busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
            Show more
          </Button>
        </div>
      )}
      {adding && <AddUser onClose={() => setAdding(false)} />}
      {resetting && <ResetPassword key={resetting.id} user={resetting} onClose={() => setResetting(undefined)} />}
      {deleting && <DeleteUser key={deleting.id} user={deleting} onClose={() => setDeleting(undefined)} />}
    </Panel>
  )
}
