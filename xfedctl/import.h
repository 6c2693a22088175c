/* What the parts of config import share: the file that comes, what it is for, and which of its texts may be written where. */
#ifndef XFEDCTL_IMPORT_H
#define XFEDCTL_IMPORT_H

#include "cert_run.h"

/* What a file is for that comes, by its path. What configurations and rules do not name does not come at all. */
enum coming_kind {
	COMING_TEXT = 1, /* of a service, a partner or a rule: judged as such */
	COMING_PEM,	 /* certificates, authorities, revocation lists */
	COMING_LIST,	 /* users */
	COMING_KEPT,	 /* keys, secrets, and what services make themselves: such files do not travel */
};

/* A service whose file is among those that come. */
struct coming {
	const char *path;
	struct edge_config *edge; /* this or the other */
	struct config *gateway;
};

struct importing {
	struct cert_run *run;
	json_t *what, *by_path; /* the file; texts by path */
	json_t *named;		/* enum coming_kind by path: what the services and rules that come name */
	char dir[PATH_MAX];	/* the folder of what is configured here: nothing elsewhere is written or removed */
	json_t *looked_at;	/* directories whose files are compared already: services may share one */
	struct coming *services;
	size_t count;
	char stage[64];	     /* a directory with what has to be read as files; "": none yet */
	char list[PATH_MAX]; /* the last list of users that was put there */
	size_t staged;
	bool is_unstaged; /* one could not be, and why not is in run->error */
	json_t *changes;  /* {"file", "diff"} */
	struct rt_conf_errors *errors;
};

struct xfed_span import_text(const struct importing *m, const char *path); /* that comes for it */

/* Directly in the directory, and called as services read their directories. */
bool import_is_in(const char *path, const char *dir);
bool import_has_yaml_name(const char *path);
/* In one of the folders that have the files of services in them, and called like one. */
bool import_is_of_services(const struct importing *m, const char *path);

/* Notes what a file is for; what is kept in one place is kept. */
void import_name(struct importing *m, const char *path, enum coming_kind kind);
/* Notes what the configuration of a service names. */
enum ctl_exit import_name_files(struct importing *m, const struct coming *s);
/* Behind all judging, which has found what is named: nothing else comes. */
enum ctl_exit import_check_files(struct importing *m);
/* Whoever made the file says what it names: what is there has to be of the same kind as what takes its place. */
bool import_is_of_kind(const struct importing *m, const char *path, struct xfed_span text);

#endif
