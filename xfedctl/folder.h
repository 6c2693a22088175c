/* The folder of a configuration: what belongs to it, by its name and by where it really lies. config export and import agree by this. */
#ifndef XFEDCTL_FOLDER_H
#define XFEDCTL_FOLDER_H

#include <limits.h>
#include <stdbool.h>

#define FOLDER_CONFIG	   "/etc/xfed"
#define FOLDER_OWNER_ERROR 512

/*
 * Whether a configuration file that says where we write, with the rights of whoever runs this, can be written to by him and root alone. OK;
 * NOT_FOUND, INVALID with one sentence.
 */
int folder_check_owner(const char *path, char error[FOLDER_OWNER_ERROR]);
/* Where a configuration file really lies (it may be missing), and its folder: an instance's file lies one folder deeper than what belongs to the host. */
void folder_of(const char *config, char path[PATH_MAX], char dir[PATH_MAX]);
/* Without //, /./ and a / at its end. */
void folder_tidy(const char *path, char out[PATH_MAX]);
/* By its name: a path with .. in it is not below. */
bool folder_has(const char *dir, const char *path);
/* By its name, and links lead nowhere else either. False for what does not exist. */
bool folder_really_has(const char *dir, const char *path);
/* Of an open directory: it is the folder itself, or below it. */
bool folder_has_open(const char *dir, int fd);

#endif
