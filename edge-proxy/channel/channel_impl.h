/* What the files of the channel share; included by this room only. */
#ifndef EDGE_CHANNEL_CHANNEL_IMPL_H
#define EDGE_CHANNEL_CHANNEL_IMPL_H

#include "channel/channel.h"
#include "proto/rt/link.h"

struct channel_link {
	struct channel_link *prev, *next;
	struct channel *channel;
	struct proto_link *link;
	struct proto_transfer_in transfer;
	bool is_up, is_draining;
	uint64_t accepted_ms;
	int64_t since_s;
	struct rt_addr from; /* kept after the connection has ended */
	char address[RT_ADDR_TEXT];
};

struct channel_refused {
	int64_t at_s; /* 0: none */
	enum xfed_reason reason;
	struct rt_addr from;
	char text[300];
};

struct channel {
	struct core *core;
	const struct edge_config *config;
	struct xfed_tls_creds *creds;
	struct s2s *s2s;
	const struct channel_user *user;
	void *user_data;
	struct proto_exchange *exchange;
	struct proto_links *links;
	struct channel_link *list;
	size_t links_up;
	struct rt_sources strangers; /* places of those who have not authenticated */
	struct proto_revision revision;
	enum xfed_reason down_reason; /* why there is no link */
	int64_t down_since_s;
	struct channel_refused refused[2]; /* the last connections refused, of strangers and of gateways; not those that merely went away */
	int64_t certs_due_s;		   /* when the first certificate of a live link has to be judged again */
	char shown[RT_CERT_HASH];	   /* the certificate that gateways are shown */
};

/* links.c */
extern const struct proto_link_user channel_link_user;
void channel_judge_certs(struct channel *c);
void channel_close_links(struct channel *c, enum xfed_reason reason, const char *text); /* those that are up */

/* policy.c */
void channel_take_policy(struct channel_link *l, const Xfed__Frame *f);

#endif
