#!/usr/bin/with-contenv bash
