/* What the files of the session share. Internal to proto. */
#ifndef PROTO_SESSION_IMPL_H
#define PROTO_SESSION_IMPL_H

#include "proto/told.h"
#include "proto/credit.h"
#include "proto/pace.h"
#include "proto/session.h"

/*
 *   HANDSHAKE --TLS done, certificate right--> WAIT_HELLO --Hello--> READY
 *       |                                          |                   |
 *       +------------------------------------------+-------------------+--> CLOSED (DOWN)
 */
enum proto_session_state {
	PROTO_HANDSHAKE,
	PROTO_WAIT_HELLO,
	PROTO_READY,
	PROTO_CLOSED,
};

enum { PENDING_JOB = 1, PENDING_UP = 2, PENDING_CREDIT = 4, PENDING_DOWN = 8 };

struct proto_session {
	struct xfed_env env;
	enum proto_role role;
	enum proto_session_state state;
	bool is_plaintext;
	struct xfed_arena own; /* copies of the configuration */
	struct xfed_span host;
	const char **allow;
	size_t allow_count;
	Xfed__Hello *hello;

	struct xfed_tls_creds *creds;
	struct xfed_tls *tls;
	bool job_running; /* a job was given out, and JOB_DONE has not come */
	enum xfed_tls_result job_result;
	struct xfed_buf raw; /* ciphertext for which TLS has no room, or that came while a job was running */
	bool is_eof;

	struct proto_frame_reader reader;
	struct xfed_buf plain; /* frames that wait; with plaintext_for_tests the output itself */
	struct xfed_buf none;  /* always empty: the output while a job is running */

	unsigned pending; /* actions not given out yet */
	bool is_closing;  /* closing was asked for while a job was running */
	enum xfed_reason reason;
	char text[256];
	bool peer_said_close;

	struct proto_credit credit;
	uint64_t delivered, taken;    /* our Deliver frames: sent on this link, taken over by the peer */
	uint64_t took, took_told;     /* the peer's: taken over by us, and of these the number it was told */
	struct proto_told told;	      /* outcomes sent by us */
	struct proto_refused refused; /* messages of ours */
	uint64_t outcomes_in;	      /* outcomes of the peer that we have received */
	struct proto_pace pace;
	struct proto_peer peer;
	struct xfed_arena peer_memory;
	char *cert_name;
	struct xfed_tls_facts facts;
	char wrong_name[256]; /* what is wrong with the peer's certificate */

	uint64_t hello_by_ms;
	uint64_t heard_ms, ping_due_ms, ping_sent_ms;
	uint64_t ping_id;
	bool ping_outstanding;
	uint64_t rtt_us;
	uint64_t (*wall_ms)(void);
	struct proto_clock clock;
	uint64_t now_ms;
};

/* session.c */
void proto_session_enter(struct proto_session *s, enum proto_session_state state);
void proto_session_start_hello(struct proto_session *s);
/* Closes the link; the first call decides the reason. Tells the peer where that is still possible. */
void proto_session_go_down(struct proto_session *s, enum xfed_reason reason, const char *text);
void proto_session_go_nomem(struct proto_session *s);

/* session_tls.c */
/* Feeds ciphertext that waited to TLS. True: any was taken. */
bool proto_session_feed_tls(struct proto_session *s);
/* The handshake needs input: gives out another job if there is some. */
void proto_session_handshake_waits(struct proto_session *s);
void proto_session_job_done(struct proto_session *s);

/* session_read.c */
/* Reads until there is a message. True: *act is one. */
bool proto_session_pump(struct proto_session *s, struct proto_action *act);

/* session_send.c */
/* Our wall clock; 0: it is not to be sent. */
uint64_t proto_session_wall_ms(const struct proto_session *s);
/* Sends a ping or pong. */
void proto_session_send_number(struct proto_session *s, Xfed__Frame__BodyCase body, uint64_t id);
/* Encrypts what waits, as far as there is room. */
void proto_session_encrypt(struct proto_session *s);
/* Packs a frame of the session's own, in any state. OK, LIMIT, NOMEM. */
int proto_session_put(struct proto_session *s, const Xfed__Frame *f);

#endif
