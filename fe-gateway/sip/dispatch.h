/*
 * Who takes requests, and what becomes of one that is no retransmission, as one table (RFC 3261 sections 8.2.1 to 8.2.2). What
 * nobody takes is refused here, and what is said of methods, media types and extensions follows from what is taken.
 */
#ifndef GATEWAY_SIP_DISPATCH_H
#define GATEWAY_SIP_DISPATCH_H

#include "sip/message.h"
#include "sip/method.h"
#include "sip/user.h"

#define SIP_USERS_MAX 8
#define SIP_LINE_SIZE 256

struct sip_users {
	const struct sip_user *list[SIP_USERS_MAX];
	size_t count;
	const struct sip_user *by_method[SIP_METHOD_COUNT]; /* outside dialogs; SUBSCRIBE: of its package */
	/* Header lines with CRLF; accept and supported are empty where there is nothing to say. */
	char allow[SIP_LINE_SIZE], accept[SIP_LINE_SIZE], supported[SIP_LINE_SIZE], events[SIP_LINE_SIZE];
	char options[4 * SIP_LINE_SIZE]; /* all that an answer to OPTIONS carries */
};

/* OK; LIMIT: too many, or more than fits into a line; STATE: another takes that method or package already. */
int sip_users_add(struct sip_users *u, const struct sip_user *user);
void sip_users_init(struct sip_users *u);

enum sip_disposition {
	SIP_DISPOSE_USER,   /* a REQUEST action for `user` */
	SIP_DISPOSE_DIALOG, /* the same for the user of its dialog; `status` where there is no such dialog */
	SIP_DISPOSE_ANSWER, /* status and header given */
	SIP_DISPOSE_ABSORB, /* ACK: never answered */
	SIP_DISPOSE_CANCEL, /* by the transactions there are */
};

struct sip_verdict {
	enum sip_disposition disposition;
	enum sip_method method;
	const struct sip_user *user;
	int status;
	const char *extra;	/* header lines with CRLF, or "" */
	bool needs_unsupported; /* 420: Unsupported with what Require asks for in vain */
};

struct sip_verdict sip_dispatch(const struct sip_users *u, const struct sip_message *m);
/* The same for a request of a dialog that exists: whether its user takes it. */
struct sip_verdict sip_dispatch_inside(const struct sip_users *u, const struct sip_user *user, const struct sip_message *m);
/* The elements of a Require value that nobody has registered, with ", " between them; returns their length, may be 0. */
size_t sip_unsupported(const struct sip_users *u, struct xfed_span require, char *out, size_t size);

#endif
