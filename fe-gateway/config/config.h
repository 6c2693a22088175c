/*
 * config: gateway.yaml as a struct, which always says what is in force. Immutable once loaded: a reload loads a new one, in which keys
 * that need a restart keep the values they had (rt_conf_keep()), and puts it in the place of the old one. Strings belong to it.
 *
 *   outside   a domain of ours as partners know it (domains[].domain)
 *   inside    the same as SIP knows it, where that is another one (domains[].sip_domain)
 *   senders   who may send SIP as our domains: names of certificates, addresses
 *
 * May call: core.
 */
#ifndef GATEWAY_CONFIG_CONFIG_H
#define GATEWAY_CONFIG_CONFIG_H

#include "xfed/rt/conf_base.h"
#include "xfed/rt/network.h"

enum config_dialect { CONFIG_DIALECT_STANDARD, CONFIG_DIALECT_LYNC };
enum config_im { CONFIG_IM_PAGE, CONFIG_IM_SESSION };

struct config_edge {
	const char *name;
	struct rt_conf_address address;
	const char *tls_name; /* the name its certificate must carry: given, or the host of `address` */
};

/* Who may send us SIP, in the order they are searched in. */
struct config_senders {
	struct rt_network_set addresses, udp_addresses; /* over tcp; over udp */
	const char **names;				/* of certificates */
	size_t name_count;
};

struct config_domain {
	const char *domain;		       /* normalised U-labels */
	const char *next_hop;		       /* as written; NULL: the domain itself, as users have it inside, is located */
	struct rt_conf_address hop;	       /* next_hop parsed, or that domain in A-labels; transport NONE and port 0 where not written */
	const char *tls_name;		       /* given, or the host of `hop`; NULL where tls cannot come out */
	struct rt_conf_strings peers;	       /* certificate names, lower case A-labels */
	struct rt_conf_strings peer_addresses; /* as written */
	struct rt_network_set networks;	       /* peer_addresses parsed */
	struct config_senders senders;	       /* the two above */
	bool udp_trusted;
	enum config_dialect dialect;
	enum config_im im;
	uint32_t max_request_bytes;
	bool pipeline, gruu, thread_as_call_id;
	const char *sip_domain; /* normalised; NULL: the same as `domain` */
	const char *test_user;	/* a bare JID of `domain`; NULL: none */
	struct {
		const char *username, *password_file; /* both, or NULL: none */
		char *password;			      /* config_read_secrets(); wiped at the end */
	} auth;					      /* for a next hop that asks */
};

struct config {
	struct rt_conf_base base;
	struct {
		struct config_edge *items;
		size_t count; /* at least one */
	} edges;
	struct {
		const char *certificate, *key, *ca;
	} channel;
	struct {
		struct config_domain *items;
		size_t count; /* at least one; no domain twice */
	} domains;
	struct config_senders senders; /* of all domains */
	struct config_name {
		const char *name;
		const struct config_domain *domain;
	} * by_domain, *by_inside; /* by the names that users have outside, and inside; sorted */
	struct {
		struct rt_conf_addresses listen; /* transport always set; at least one */
		const char *advertise;
		const char *certificate, *key, *ca; /* NULL where nothing uses tls */
		uint32_t answer_within_ms, error_hold_ms, keepalive_ms;
	} sip;
	struct {
		const char *secret_file; /* NULL: none */
	} dialback;
	const char *partners_dir, *access_dir;
	struct {
		const char *sqlite;	/* default /var/lib/xfed/gateway.db */
		const char *postgresql; /* NULL: not used */
	} store;
	struct {
		uint32_t deadline_ms;
	} delivery;
	struct {
		uint32_t refresh_ms;
	} presence;
	uint32_t contact_memory_ms;
	struct {
		uint32_t connections;		       /* SIP connections over tcp and tls */
		uint32_t unauthenticated;	       /* of these, of peers that have not shown that they may send */
		uint32_t address_share, network_share; /* of those, percent: of one address, of one network */
		uint32_t transactions;
		uint32_t queue_messages; /* waiting for one recipient */
		uint32_t queue_bytes;
		uint32_t waiting_messages; /* for SIP, or in flight, in all */
		uint32_t waiting_bytes;
		uint32_t pending_requests; /* to see one user, of one partner's users */
	} limits;
};

extern const struct rt_conf_table config_table;

/*
 * Loads and checks; problems go to `errors`. OK: `*out` is released with config_free(). INVALID (errors say why) or
 * NOMEM leave it NULL. `_parse` takes the text itself (`file` is for the messages). For later checks with rt_conf_fail()
 * (PEM files) `base.doc.errors` stays `errors`; set it anew when that collector is gone.
 */
int config_load(const char *path, struct rt_conf_errors *errors, struct config **out);
int config_parse(const char *file, struct xfed_span text, struct rt_conf_errors *errors, struct config **out);
void config_free(struct config *c);
/* The passwords that files hold. OK; INVALID: `base.doc.errors` say why; NOMEM. Looks at the disk. */
int config_read_secrets(struct config *c);

/* config_index.c. Loading ends with it: fills `senders`, `by_domain` and `by_inside` from the domains. OK, NOMEM. */
int config_index(struct config *c, struct xfed_arena *a);
/* Our domain by its normalised name, or NULL; _inside: that of an address inside, by the name it has there first, else outside. */
const struct config_domain *config_domain(const struct config *c, struct xfed_span domain);
const struct config_domain *config_inside(const struct config *c, struct xfed_span domain);
bool config_senders_have_name(const struct config_senders *s, struct xfed_span name); /* in any case */

#endif
