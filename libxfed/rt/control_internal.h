/* The interface between control.c (socket and clients) and control_call.c (one request and its answer). */
#ifndef XFED_RT_CONTROL_INTERNAL_H
#define XFED_RT_CONTROL_INTERNAL_H

#include <uv.h>

#include "xfed/buf.h"
#include "xfed/rt/control.h"

struct control_peer {
	uid_t uid;
	gid_t gid;
	pid_t pid;
};

struct control_call; /* a request that waits for its answer */

struct control_client {
	uv_pipe_t pipe;
	struct rt_control *control;
	struct control_peer peer;
	enum rt_control_role role; /* NOBODY until it is known, and for clients that are refused */
	struct xfed_buf in;
	struct control_call *call; /* the request being answered */
	uv_write_t write;
	char *out; /* the answer being written */
	uint64_t last_ms;
	bool is_eof, is_closing;
	struct control_client *next;
};

struct rt_control {
	uv_pipe_t listener;
	uv_timer_t sweep;
	const struct rt_command_table *commands;
	void *user;
	gid_t admin_group, read_group;
	struct control_client *clients;
	unsigned client_count, reader_count, handles; /* `handles`: number not closed yet */
	char read_mem[16384];
};

/* Starts a request: runs its handler, which may answer at once. */
void control_call_start(struct control_client *c, struct xfed_span line);
/* The client has disconnected: an answer that comes later is dropped. */
void control_call_abandon(struct control_client *c);
/* Writes a line before the answer; takes `text`, NULL: it is left out. What is not read is bounded by what one command says. */
void control_client_part(struct control_client *c, char *text);
/* Writes the answer to a call; takes over `text` (allocated by jansson); NULL closes the client. */
void control_client_answer(struct control_client *c, char *text);

#endif
