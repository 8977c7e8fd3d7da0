create schema if not exists widgets;
