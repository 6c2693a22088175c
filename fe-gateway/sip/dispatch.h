/*
 * Which user takes a request that is no retransmission, and the response where none does, as one table (RFC 3261 sections 8.2.1 to 8.2.2).
 * The lists of methods, media types and extensions in responses are made from what the users take.
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
	const struct sip_user *by_method[SIP_METHOD_COUNT]; /* outside dialogs; for SUBSCRIBE by package */
	/* Header fields with CRLF; accept and supported are empty where there is nothing to list. */
	char allow[SIP_LINE_SIZE], accept[SIP_LINE_SIZE], supported[SIP_LINE_SIZE], events[SIP_LINE_SIZE];
	char options[4 * SIP_LINE_SIZE]; /* all header fields of a response to OPTIONS */
};

/* OK; LIMIT: too many users, or a list becomes too long; STATE: another user takes that method or package. */
int sip_users_add(struct sip_users *u, const struct sip_user *user);
void sip_users_init(struct sip_users *u);

enum sip_disposition {
	SIP_DISPOSE_USER,   /* a REQUEST action for `user` */
	SIP_DISPOSE_DIALOG, /* the same for the user of the dialog; where that does not exist for `user`, and without one the response is `status` */
	SIP_DISPOSE_ANSWER, /* respond with `status` and `extra` */
	SIP_DISPOSE_ABSORB, /* an ACK, which is never answered */
	SIP_DISPOSE_CANCEL, /* a CANCEL, for the transaction it names */
};

struct sip_verdict {
	enum sip_disposition disposition;
	enum sip_method method;
	const struct sip_user *user;
	int status;
	const char *extra;	/* header fields with CRLF, or "" */
	bool needs_unsupported; /* 420, with an Unsupported header field for what Require asks */
};

struct sip_verdict sip_dispatch(const struct sip_users *u, const struct sip_message *m);
/* The same for a request inside an existing dialog: whether its user takes it. */
struct sip_verdict sip_dispatch_inside(const struct sip_users *u, const struct sip_user *user, const struct sip_message *m);
/* The elements of a Require value that no user supports, separated by ", "; returns the length, which may be 0. */
size_t sip_unsupported(const struct sip_users *u, struct xfed_span require, char *out, size_t size);

#endif
