/*
 * A question to the writer of this gateway's files (xfedctl panel writer), which is a service with rights of its own: asked over a socket
 * beside the control socket, one a connection, without waiting. Whoever answers has to be root or this gateway's own user.
 */
#ifndef GATEWAY_ADMIN_WRITER_H
#define GATEWAY_ADMIN_WRITER_H

#include "xfed/rt/command.h"

struct uv_loop_s;
struct writer_ask;

/*
 * Steals `request`. Answers `reply` once: with what the writer says; no-writer: it does not run; busy: XFED_WRITER_CHILDREN are under way;
 * failed: nothing came within XFED_WRITER_WAIT_MS. `*list` has those under way, NULL at the beginning.
 */
void writer_ask(struct writer_ask **list, struct uv_loop_s *uv, const char *path, json_t *request, struct rt_reply reply);
/* Those under way are answered (failed): what they asked for may be done all the same. Their memory is freed by the loop. */
void writer_stop(struct writer_ask **list);

#endif
