/*
 * config: gateway.yaml as a struct that always says what is in force. Immutable once loaded. A reload loads a second one, in which keys
 * that need a restart keep their old values (rt_conf_keep()), and replaces the first. It owns its strings.
 *
 *   outside   a domain of ours as partners know it (domains[].domain)
 *   inside    the same domain as SIP knows it, where that differs (domains[].sip_domain)
 *   senders   who may send SIP as our domains: names of certificates, addresses
 *
 * May call core.
 */
#ifndef GATEWAY_CONFIG_CONFIG_H
#define GATEWAY_CONFIG_CONFIG_H

#include "config/panel_users.h"
#include "interwork/presence_map.h"
#include "xfed/limits.h"
#include "xfed/rt/conf_base.h"
#include "xfed/rt/network.h"
#include "xfed/tls.h"

/* Where the writer of that gateway's files listens (xfedctl panel writer): beside its control socket. INVALID: the path would be too long. */
#define CONFIG_WRITER_PATH_MAX 108
struct config;
int config_writer_path(const struct config *c, char out[CONFIG_WRITER_PATH_MAX]);

enum config_dialect { CONFIG_DIALECT_STANDARD, CONFIG_DIALECT_LYNC };
enum config_im { CONFIG_IM_PAGE, CONFIG_IM_SESSION };

struct config_edge {
	const char *name;
	struct rt_conf_address address;
	const char *tls_name; /* the name its certificate must have: as configured, or the host of `address` */
};

/* Who may send us SIP; sorted for the search. */
struct config_senders {
	struct rt_network_set addresses, udp_addresses; /* for tcp and tls; for udp */
	const char **names;				/* names of certificates */
	size_t name_count;
	bool are_neighbours; /* by sip.federation alone, with a name and an address of these */
};

struct config_domain {
	const char *domain;		       /* normalised, with U-labels */
	const char *next_hop;		       /* as written; NULL: the domain itself (its name inside) is looked up */
	struct rt_conf_address hop;	       /* next_hop parsed, or the domain in A-labels; transport NONE and port 0 where not written */
	const char *tls_name;		       /* as configured, or the host of `hop`; NULL where tls is not possible */
	enum xfed_tls_version tls_min;	       /* as a client; the same for every domain with that tls_name or that name among its peers */
	struct rt_conf_strings peers;	       /* certificate names, lower case A-labels */
	struct rt_conf_strings peer_addresses; /* as written */
	struct rt_network_set networks;	       /* peer_addresses, parsed */
	struct config_senders senders;	       /* both of the above */
	bool udp_trusted, federated;
	enum config_dialect dialect;
	enum config_im im;
	uint32_t max_request_bytes;
	bool pipeline, gruu, thread_as_call_id;
	const char *sip_domain; /* normalised; NULL: the same as `domain` */
	const char *test_user;	/* a bare JID of `domain`; NULL: none */
	struct iw_presence_choice presence;
	struct iw_presence_map map; /* all of it: of `presence`, over that of all */
	struct {
		const char *username, *password_file; /* both are set, or neither */
		char *password;			      /* read by config_read_secrets(); wiped at the end */
	} auth;					      /* credentials for a next hop that asks for them */
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
	bool has_lync;				   /* a domain speaks that dialect */
	struct config_senders senders, neighbours; /* those of all domains; those of federated ones */
	struct config_name {
		const char *name;
		const struct config_domain *domain;
	} * by_domain, *by_inside, *by_server; /* sorted by the names that users have outside, inside, and by those of certificates of SIP servers */
	size_t server_count;
	struct {
		struct rt_conf_addresses listen; /* transport always set; at least one */
		const char *advertise;
		const char *certificate, *key, *ca; /* NULL where nothing uses tls */
		enum xfed_tls_version tls_min;	    /* as a server */
		struct {
			struct rt_conf_addresses listen; /* transport NONE; none: nobody is a federated neighbour */
			const char *advertise, *certificate, *key, *ca;
		} federation;
		uint32_t answer_within_ms, error_hold_ms, keepalive_ms;
	} sip;
	struct {
		const char *secret_file; /* NULL: none */
	} dialback;
	const char *partners_dir, *access_dir;
	struct {
		const char *sqlite;	/* default /var/lib/xfed/gateway.db, of an instance /var/lib/xfed/NAME.db */
		const char *postgresql; /* NULL: not used */
	} store;
	struct {
		uint32_t deadline_ms;
	} delivery;
	struct {
		uint32_t session_idle_ms;
	} im;
	struct config_presence {
		uint32_t refresh_ms;
		struct iw_presence_choice choice; /* of every row */
	} presence;
	uint32_t contact_memory_ms;
	struct {
		struct rt_conf_address listen;				/* host NULL: off */
		const char *certificate, *key, *client_ca, *users_file; /* NULL where not set */
		struct rt_conf_strings hosts;				/* lower case A-labels */
		uint32_t session_idle_ms, session_life_ms;
		struct panel_users users; /* read by config_read_panel_users() */
	} panel;
	struct {
		uint32_t connections;		       /* SIP connections over tcp and tls together */
		uint32_t unauthenticated;	       /* of these, connections of peers that have not shown that they may send */
		uint32_t address_share, network_share; /* percent of `unauthenticated` that one address and one network may have */
		uint32_t transactions;
		uint32_t queue_messages; /* that may wait for one recipient */
		uint32_t queue_bytes;
		uint32_t waiting_messages; /* that may wait for SIP or be in flight, in all */
		uint32_t waiting_bytes;
		uint32_t pending_requests; /* to see one user, of one partner's users */
	} limits;
};

extern const struct rt_conf_table config_table, config_presence_table, config_choice_table, config_panel_table;

/*
 * Loads and checks; problems go to `errors`. XFED_OK: the caller releases `*out` with config_free(). INVALID (`errors` say why) and NOMEM
 * leave it NULL. `_parse` takes the text itself, and `file` is only named in messages. `base.doc.errors` stays `errors` for later checks
 * with rt_conf_fail() (PEM files): the caller sets it anew before that collector ends.
 */
int config_load(const char *path, struct rt_conf_errors *errors, struct config **out);
int config_parse(const char *file, struct xfed_span text, struct rt_conf_errors *errors, struct config **out);
void config_free(struct config *c);
/* Reads the password files; blocks. INVALID: `base.doc.errors` say why; NOMEM. */
int config_read_secrets(struct config *c);
/* Reads panel.users_file likewise, from where `from` says; NULL, or one that is not there yet: a warning. */
int config_read_panel_users(struct config *c, const char *from);

/* config_index.c. The end of loading: fills `senders`, `by_domain`, `by_inside` and `by_server` from the domains. OK, NOMEM. */
int config_index(struct config *c, struct xfed_arena *a);
/* Our domain by its normalised name, or NULL. `_inside`: that of an address as SIP writes it; a name inside is preferred to one outside. */
const struct config_domain *config_domain(const struct config *c, struct xfed_span domain);
const struct config_domain *config_inside(const struct config *c, struct xfed_span domain);
/* Its name inside. */
static inline struct xfed_span config_domain_inside(const struct config_domain *d)
{
	return xfed_span_str(d->sip_domain ? d->sip_domain : d->domain);
}
/* Our name in what SIP reads: inside, or at federated neighbours, who are told nothing of the inside. */
static inline struct xfed_span config_our_name(const struct config *c, bool is_outside)
{
	return xfed_span_str(is_outside && c->sip.federation.advertise ? c->sip.federation.advertise : c->sip.advertise);
}
/* The oldest TLS for connecting to a server whose certificate has to carry that name. */
enum xfed_tls_version config_tls_min(const struct config *c, struct xfed_span tls_name);
bool config_senders_have_name(const struct config_senders *s, struct xfed_span name); /* compared without regard to case */

#endif
