/*
 * The services that are configured on this host, as the commands for certificates see them: which files their certificates and keys are,
 * whose these have to be, and what the service that runs says when it is asked.
 */
#ifndef XFEDCTL_CERT_HOST_H
#define XFEDCTL_CERT_HOST_H

#include <limits.h>
#include <sys/types.h>

#include "cert_read.h"
#include "ctl.h"
#include "edge-proxy/config.h"
#include "fe-gateway/config/config.h"

#define CERT_HOSTS_MAX	  64
#define CERT_DOMAINS_FILE "channel-domains" /* in the folder of a host: what its bundle said are our domains, one a line */

enum cert_role { CERT_ROLE_EDGE, CERT_ROLE_SIP, CERT_ROLE_PANEL, CERT_ROLE_CHANNEL };

/* A certificate, its key, and where the configuration names them. */
struct cert_pair {
	enum cert_role role;
	const char *where; /* "certificates[0]"; of the configuration's memory */
	const char *certificate, *key;
	const char *name; /* of sip and sip.federation: what the certificate has to carry; NULL: our domains, or nothing that is known */
};

struct cert_host {
	char path[PATH_MAX];	  /* the configuration file */
	char dir[PATH_MAX];	  /* of the files of this host: /etc/xfed, for instances too */
	struct edge_config *edge; /* this or the other */
	struct config *gateway;
	struct rt_conf_base *base; /* of it */
	uid_t uid;		   /* the service's user; whoever runs this where there is no such user */
	gid_t gid;
	struct cert_pair *pairs; /* all of them, in the order of the file */
	size_t pair_count;
};

struct cert_hosts {
	struct cert_host *items;
	size_t count;
};

enum cert_wanted { CERT_OF_ANY, CERT_OF_EDGES, CERT_OF_GATEWAYS };

/*
 * Those of --config, else of --name, else all in /etc/xfed. OK, with one at least; NOT_FOUND, INVALID with one sentence; NOMEM. Has to be
 * closed in any case.
 */
int cert_hosts_open(struct cert_hosts *h, enum cert_wanted wanted, const char *config, const char *name, char error[CERT_ERROR]);
void cert_hosts_close(struct cert_hosts *h);

/* A file that may be missing: NOT_FOUND then. OK; INVALID with one sentence. `*text` is wiped by the caller. */
int cert_file_read(const char *path, struct xfed_buf *text, char error[CERT_ERROR]);
int cert_file_read_most(const char *path, size_t max, struct xfed_buf *text, char error[CERT_ERROR]); /* the same, of `max` bytes at most */

bool cert_is_address(const char *name); /* an IP address, and no name */

/* ---- the service ---- */

/* Only where there is no socket, or nobody at it, it is not: one that is too busy to answer, or that refuses us, runs. */
bool cert_host_is_running(const struct cert_host *h);
/* What it answers to a command without arguments: a new reference; NULL with one sentence. */
json_t *cert_host_ask(const struct cert_host *h, const char *noun, const char *verb, char error[CERT_ERROR]);

enum cert_service { CERT_SERVICE_FINE, CERT_SERVICE_DOWN, CERT_SERVICE_REFUSES };
/* Has it reload its files. REFUSES: with one sentence, and what was in force before still is. */
enum cert_service cert_host_reload(const struct cert_host *h, char error[CERT_ERROR]);
/* The domains partners reach us by, as a JSON list of strings: a new reference. An edge says which, else what it was told when it joined. NULL: nobody knows. */
json_t *cert_host_domains(const struct cert_host *h);
const char *cert_host_service(const struct cert_host *h); /* "xfed-edge" */

#endif
