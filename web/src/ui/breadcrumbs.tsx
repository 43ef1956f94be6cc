import { Link } from '@tanstack/react-router'
import { ChevronRight } from 'lucide-react'
import { Fragment } from 'react'
import { cx } from './cx'

/** One step of the way; the last has no address: it is this page. */
export interface Crumb {
  label: string
  to?: string
}

/** The way to this page. On a phone there is room for the page and the one above it. */
export function Breadcrumbs({ crumbs }: { crumbs: readonly Crumb[] }) {
  const near = (i: number) => i >= crumbs.length - 1
  return (
    <nav aria-label="Breadcrumbs" className="min-w-0">
      <ol className="flex min-w-0 items-center gap-1 text-sm">
        {crumbs.map((crumb, i) => (
          <Fragment key={i}>
            {i > 0 && (
              <ChevronRight size={13} className={cx('shrink-0 text-faint', near(i) || 'max-sm:hidden')} aria-hidden />
            )}
            <li className={cx('min-w-0 truncate', near(i + 1) || 'max-sm:hidden')}>
              {crumb.to === undefined ? (
                <span aria-current="page" className="font-medium">
                  {crumb.label}
                </span>
              ) : (
                <Link to={crumb.to} className="text-muted hover:text-fg">
                  {crumb.label}
                </Link>
              )}
            </li>
          </Fragment>
        ))}
      </ol>
    </nav>
  )
}
