/* Pages that the server answers by itself, without a command: sign in, sessions, and what went wrong. All return OK, LIMIT or NOMEM. */
#ifndef GATEWAY_PANEL_PAGE_OWN_H
#define GATEWAY_PANEL_PAGE_OWN_H

#include "panel/layout.h"

/* Posts name, password, next (the path to go on to, from the request's field of that name) and csrf to /login. `problem` W_NONE: the first time. */
int page_login(const struct panel_view *v, enum panel_word problem, struct panel_page *page);
/* [{"id", "name", "role": "admin"|"reader", "from", "since", "used", "current": bool}]; each can be ended by a post of its id to /sessions/end. */
int page_sessions(const struct panel_view *v, const json_t *sessions, struct panel_page *page);
/* `what`: W_ERROR_NOT_FOUND and the others of that beginning. */
int page_error(const struct panel_view *v, int status, enum panel_word what, struct panel_page *page);

#endif
